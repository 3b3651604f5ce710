"""Many rows at once: what goes in comes out, whatever it holds."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from backups.catalog import rows
from backups.catalog.index import text
from backups.catalog.models import ItemVersion
from tenants.isolation.scope import tenant_scope
from tests.cast import Cast

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "operator", "owner"])

any_text = some.text(max_size=40).map(text)
any_moment = some.datetimes(
    min_value=datetime(1601, 1, 1),
    timezones=some.just(UTC),
)


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    subject=any_text,
    item_id=any_text.filter(bool),
    names=some.lists(some.tuples(any_text, some.integers(0, 2**40)).map(list), max_size=3),
    categories=some.lists(any_text, max_size=3),
    octets=some.binary(max_size=40),
    moment=some.none() | any_moment,
    last=some.none() | some.integers(2, 9),
    flag=some.booleans(),
)
def test_every_value_is_read_as_it_was_written(
    cast: Cast,
    subject: str,
    item_id: str,
    names: list[list[str | int]],
    categories: list[str],
    octets: bytes,
    moment: datetime | None,
    last: int | None,
    flag: bool,
) -> None:
    values = {
        "item_id": item_id,
        "change_key": "\\N",
        "folder_id": "a\tb\\",
        "first": 1,
        "last": last,
        "item_class": "IPM.Note",
        "subject": subject,
        "sender": "\\.\n",
        "recipients": "\r\x0b\x1f\x7f\x85\u2028",
        "message_id": "",
        "sent_at": moment,
        "received_at": None,
        "size": 2**40,
        "is_read": flag,
        "is_draft": not flag,
        "is_flagged": flag,
        "importance": 2,
        "attachments": names,
        "categories": categories,
        "notes": [],
        "digest": octets,
        "sha256": b"",
        "references": octets,
    }
    with tenant_scope(cast.acme.id):
        rows.insert([rows.Version(cast.acme.id, cast.acme.backup.pk, **values)])  # type: ignore[arg-type]
        row = ItemVersion.objects.get(backup=cast.acme.backup, item_id=item_id, first=1)
        row.delete()
    for name, value in values.items():
        found = getattr(row, name)
        assert (bytes(found) if isinstance(found, memoryview) else found) == value, name

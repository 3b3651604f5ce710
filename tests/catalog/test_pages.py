"""Pages of a folder and of a mailbox over all its folders, as the role of the portal."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.db import ProgrammingError, connections, transaction

from backups.catalog import browsing, rows
from backups.catalog.browsing import Place, items, read_query
from backups.catalog.models import Folder, ItemVersion, RestorePoint
from backups.catalog.pages import SIZE, After
from backups.catalog.terms import QueryError
from tenants.isolation.scope import operator_scope, tenant_scope
from tests.cast import Cast, Company

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "operator", "owner"])

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)
POINT = 5


def put(company: Company, number: int, *, first: int = 1, last: int | None = None) -> ItemVersion:
    """Every seventh without a date, and others at the same moment, in folders of uneven size."""
    return ItemVersion(
        backup=company.backup,
        item_id=f"page-{number}-{first}",
        change_key="CQ",
        folder_id=f"folder-{'aab'[number % 3]}" if number % 50 else f"only {number}",
        first=first,
        last=last,
        item_class="IPM.Note",
        subject=f"page {number}",
        received_at=None if number % 7 == 0 else NOON + timedelta(minutes=number // 4),
        size=100,
        digest=b"",
        sha256=b"",
        references=b"",
    )


def pages(company: Company, folder: str = "") -> list[list[int]]:
    """The ids of each page, one after the other as a reader turns them."""
    point = RestorePoint(backup=company.backup, sequence=POINT)
    found, after = [], None
    while True:
        page = items(Place(point, folder, "", deleted=False), after)
        found.append([item.pk for item in page.items])
        if not page.older:
            return found
        after = After.read(page.older)


def test_pages_of_a_whole_mailbox_follow_each_other_in_the_order_of_their_dates(cast: Cast) -> None:
    with tenant_scope(cast.acme.id):
        rows.insert(put(cast.acme, number) for number in range(3 * SIZE))
        there = ItemVersion.objects.filter(backup=cast.acme.backup).at(POINT)
        expected = list(there.newest_first(None).values_list("pk", flat=True))

        shown = pages(cast.acme)

    assert len(expected) > 3 * SIZE
    assert [pk for page in shown for pk in page] == expected
    assert all(len(page) == SIZE for page in shown[:-1])


def test_a_page_of_a_whole_mailbox_is_of_its_restore_point(cast: Cast) -> None:
    with tenant_scope(cast.acme.id):
        rows.insert(
            [
                put(cast.acme, 1, last=POINT),
                put(cast.acme, 2, last=POINT + 1),
                put(cast.acme, 3, first=POINT),
                put(cast.acme, 4, first=POINT + 1),
            ]
        )
        point = RestorePoint(backup=cast.acme.backup, sequence=POINT)
        page = items(Place(point, "", "", deleted=False), None)

    assert {item.subject for item in page.items} - {cast.acme.item.subject} == {"page 2", "page 3"}


def test_pages_of_a_folder_follow_each_other_too(cast: Cast) -> None:
    with tenant_scope(cast.acme.id):
        rows.insert(put(cast.acme, number) for number in range(3 * SIZE))
        there = ItemVersion.objects.filter(backup=cast.acme.backup, folder_id="folder-a").at(POINT)
        expected = list(there.newest_first(None).values_list("pk", flat=True))

        shown = pages(cast.acme, "folder-a")

    assert len(expected) > SIZE
    assert [pk for page in shown for pk in page] == expected


_CALL = "SELECT * FROM backups_page(%s, %s, 2000000000, NULL, NULL, 99)"


def called(alias: str, company: Company, folder: str | None) -> list[int]:
    with connections[alias].cursor() as cursor:
        cursor.execute(_CALL, [company.backup.pk, folder])
        return [row[0] for row in cursor.fetchall()]


def test_a_page_of_another_tenants_mailbox_is_empty(cast: Cast) -> None:
    folder = cast.acme.item.folder_id
    for wanted in (None, folder):
        with tenant_scope(cast.acme.id):
            assert called("default", cast.acme, wanted) == [cast.acme.item.pk]
        with tenant_scope(cast.globex.id):
            assert called("default", cast.acme, wanted) == []


def test_without_a_tenant_there_is_no_page(cast: Cast) -> None:
    with transaction.atomic():
        assert called("default", cast.acme, None) == []


def test_only_the_portals_role_may_ask_for_pages(cast: Cast) -> None:
    with operator_scope(), pytest.raises(ProgrammingError, match="permission denied"):
        called("operator", cast.acme, None)
    with connections["owner"].cursor() as cursor:
        cursor.execute(
            "SELECT prosecdef, proconfig::text, proacl::text FROM pg_proc"
            " WHERE proname = 'backups_page'"
        )
        definer, settings, rights = cursor.fetchone()
    assert definer
    assert "search_path=pg_catalog, public, pg_temp" in settings
    assert "portal_app=X" in rights
    assert "portal_operator" not in rights
    assert "{=X" not in rights
    assert ",=X" not in rights


def test_a_table_put_before_the_real_one_gives_no_page(cast: Cast) -> None:
    with tenant_scope(cast.acme.id), connections["default"].cursor() as cursor:
        cursor.execute("CREATE TEMPORARY TABLE backups_itemversion (id bigint) ON COMMIT DROP")
        assert called("default", cast.acme, None) == [cast.acme.item.pk]


def test_a_folder_name_that_too_many_mailboxes_have_is_refused_rather_than_searched_in_part(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(browsing, "MOST_FOLDERS", 2)
    with tenant_scope(cast.acme.id):
        for number in range(3):
            Folder.objects.create(
                backup=cast.acme.backup, folder_id=f"plans-{number}", name="Plans", first=1
            )
        with pytest.raises(QueryError, match="More than 2 folders are called Plans"):
            read_query("folder:Plans")
        Folder.objects.filter(folder_id="plans-2").delete()
        read_query("folder:Plans")

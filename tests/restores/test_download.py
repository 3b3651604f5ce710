"""Downloads in the format that is chosen: of one item, and of the basket."""

from __future__ import annotations

import io
import json
import mailbox
import zipfile
from email import message_from_bytes
from pathlib import Path

import pytest

from backups import streams
from backups.streams import Format
from tenants.isolation.scope import tenant_scope
from tenants.models import AuditEvent
from tests.restores.conftest import Visit

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "operator", "owner"])

DOWNLOAD = "/t/acme/basket/download/"


def formats_noted(visit: Visit) -> list[str]:
    with tenant_scope(visit.world.id):
        rows = AuditEvent.objects.filter(action="items.downloaded").order_by("at")
        return [row.detail["format"] for row in rows]


def test_the_page_offers_the_formats_that_fit_the_usual_one_first(visit: Visit) -> None:
    visit.world.run_job()
    page = visit.client.get(visit.path(visit.item("mara-0"))).content.decode()
    places = [page.index(f"?format={format}") for format in ("eml", "msg", "json", "fts")]
    assert places == sorted(places)
    assert "?format=vcf" not in page


@pytest.mark.parametrize(
    ("format", "media_type"),
    [
        ("", "message/rfc822"),
        ("eml", "message/rfc822"),
        ("msg", "application/vnd.ms-outlook"),
        ("json", "application/json"),
        ("fts", "application/octet-stream"),
    ],
)
def test_one_item_is_downloaded_in_the_chosen_format(
    visit: Visit, format: str, media_type: str
) -> None:
    visit.world.run_job()
    response = visit.client.get(
        f"{visit.path(visit.item('mara-0'))}download/", {"format": format} if format else {}
    )
    assert response.headers["Content-Type"] == media_type
    name = f"mara-0.{format or 'eml'}"
    assert response.headers["Content-Disposition"] == f'attachment; filename="{name}"'
    assert response.headers["Content-Security-Policy"] == "sandbox; default-src 'none'"
    payloads = visit.world.sandbox_payloads("mara@acme.example").values()
    chosen = Format(format) if format else None
    expected = {streams.export_file(payload, chosen).content() for payload in payloads}
    assert response.getvalue() in expected
    assert formats_noted(visit) == [format or "eml"]


def test_a_format_that_does_not_fit_is_said_and_one_that_is_none_not_found(visit: Visit) -> None:
    visit.world.run_job()
    path = f"{visit.path(visit.item('mara-0'))}download/"
    page = visit.client.get(path, {"format": "vcf"}, follow=True).content.decode()
    assert "written in this format: the item is no contact" in page
    assert visit.client.get(path, {"format": "exe"}).status_code == 404
    assert formats_noted(visit) == []


@pytest.mark.parametrize(
    ("format", "start"),
    [
        ("msg", bytes.fromhex("D0CF11E0A1B11AE1")),
        ("eml", b"From:"),
        ("json", b'{\n  "format": "stowage-item-1"'),
        ("fts", b"\x01\0\0\0\x08\0\0\0"),
    ],
)
def test_the_basket_is_one_archive_of_the_chosen_format(
    visit: Visit, format: str, start: bytes
) -> None:
    visit.world.run_job()
    visit.put_aside()
    response = visit.client.post(DOWNLOAD, {"format": format})
    assert response.headers["Content-Type"] == "application/zip"
    archive = zipfile.ZipFile(io.BytesIO(response.getvalue()))
    names = archive.namelist()
    assert len(names) == 3
    assert f"mara@acme.example/Inbox/mara-0.{format}" in names
    assert all(archive.read(name).startswith(start) for name in names)
    assert formats_noted(visit) == [format]
    if format == "json":
        assert json.loads(archive.read(names[0]))["fault"] is None


def test_the_basket_is_one_mailbox_file_that_names_what_is_missing(
    visit: Visit, tmp_path: Path
) -> None:
    visit.world.run_job()
    visit.put_aside()
    broken = visit.item("mara-1")
    with tenant_scope(visit.world.id):
        type(broken).objects.filter(pk=broken.pk).update(sha256=bytes(32))
    response = visit.client.post(DOWNLOAD, {"format": "mbox"})
    assert response.headers["Content-Type"] == "application/mbox"
    assert response.headers["Content-Disposition"].endswith('.mbox"')
    (tmp_path / "box").write_bytes(response.getvalue())
    mails = {mail["Subject"]: mail for mail in mailbox.mbox(tmp_path / "box")}
    assert set(mails) == {"mara-0", "mara-2", "Items that could not be downloaded"}
    problem = message_from_bytes(mails["Items that could not be downloaded"].as_bytes())
    text = problem.get_payload(decode=True).decode()
    assert "mara@acme.example/Inbox/mara-1: Not readable" in text
    assert formats_noted(visit) == ["mbox"]


def test_a_format_that_is_none_is_refused_on_the_baskets_page(visit: Visit) -> None:
    visit.world.run_job()
    visit.put_aside()
    page = visit.client.post(DOWNLOAD, {"format": "exe"}, follow=True).content.decode()
    assert "not one of the available choices" in page
    assert '<option value="mbox">' in page
    assert formats_noted(visit) == []

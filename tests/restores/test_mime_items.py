"""Items that an old server gave as MIME are shown and downloaded like any other."""

from __future__ import annotations

import io
import zipfile
from email.message import EmailMessage

import pytest

from backups.mime_items import MARK
from tests.engine.on_server import moved_to_server
from tests.engine.world import MARA
from tests.restores.conftest import Visit

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "operator", "owner"])

DOWNLOAD = "/t/acme/basket/download/"


@pytest.fixture
def old(visit: Visit, monkeypatch: pytest.MonkeyPatch) -> Visit:
    """After a backup of a server without ExportItems, with one mail that has a file."""
    message = EmailMessage()
    message["From"], message["To"] = "Noor <noor@example.net>", "Mara <mara@acme.example>"
    message["Subject"], message["Message-ID"] = "figures", "<figures@example.net>"
    message.set_content("The figures of the month.")
    message.add_attachment(
        b"%PDF" * 1000, maintype="application", subtype="pdf", filename="offer.pdf"
    )
    visit.world.sandbox.add_mail(MARA, "Inbox", message.as_bytes())
    moved_to_server(visit.world, monkeypatch)
    visit.world.sandbox.set_bulk_transfer("acme.example", supported=False)
    session = visit.world.run_job()
    assert session.items_failed == 0, visit.world.log(session)
    assert all(payload.startswith(MARK) for payload in visit.world.payloads().values())
    return visit


def test_its_page_shows_people_text_and_files(old: Visit) -> None:
    path = old.path(old.item("figures"))
    page = old.client.get(path).content.decode()
    assert "noor@example.net" in page
    assert "The figures of the month." in page
    assert "offer.pdf" in page
    assert "The figures of the month." in old.client.get(f"{path}body/").content.decode()
    file = old.client.get(f"{path}attachments/0/")
    assert file.content == b"%PDF" * 1000


@pytest.mark.parametrize(
    ("format", "start"),
    [
        ("", b"From: Noor"),
        ("eml", b"From: Noor"),
        ("msg", bytes.fromhex("D0CF11E0A1B11AE1")),
        ("json", b'{\n  "format": "stowage-item-1"'),
        ("fts", MARK),
    ],
)
def test_it_is_downloaded_in_every_format(old: Visit, format: str, start: bytes) -> None:
    path = f"{old.path(old.item('figures'))}download/"
    response = old.client.get(path, {"format": format} if format else {})
    assert response.getvalue().startswith(start)


def test_a_basket_of_such_items_is_one_file(old: Visit) -> None:
    old.put_aside()
    archive = zipfile.ZipFile(io.BytesIO(old.client.post(DOWNLOAD, {"format": ""}).getvalue()))
    assert "mara@acme.example/Inbox/figures.eml" in archive.namelist()
    assert "problems.txt" not in archive.namelist()
    mbox = old.client.post(DOWNLOAD, {"format": "mbox"}).getvalue()
    assert mbox.count(b"\nMessage-ID:") == 4

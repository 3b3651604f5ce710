"""The basket: items of several mailboxes restored or downloaded together."""

from __future__ import annotations

import email
import io
import zipfile
from email.policy import default

import pytest

from backups import streams
from backups.restores import basket, download
from backups.restores.models import BasketItem, RestoreItem
from backups.sessions.models import Session
from tenants.isolation.scope import tenant_scope
from tenants.models import AuditEvent
from tenants.services import create_person
from tests.engine.world import mail
from tests.restores.conftest import Visit

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "operator", "owner"])

DOWNLOAD = "/t/acme/basket/download/"
TRICKS = (
    "../../etc/passwd",
    "C:\\Windows\\system32",
    "CON",
    "a/b",
    "Same name",
    "SAME NAME",
    "x" * 300,
    "dot. ",
    "\u202egnp.exe",
)


def fetch(visit: Visit) -> zipfile.ZipFile:
    response = visit.client.post(DOWNLOAD)
    assert response.headers["Content-Type"] == "application/zip"
    return zipfile.ZipFile(io.BytesIO(response.getvalue()))


def events(visit: Visit, action: str) -> list[AuditEvent]:
    with tenant_scope(visit.world.id):
        return list(AuditEvent.objects.filter(action=action).order_by("subject", "at"))


def test_chosen_items_go_into_the_basket_once_and_are_counted(visit: Visit) -> None:
    visit.world.run_job()
    items = [version.pk for version in visit.world.current().values()]
    address = f"/t/acme/mailboxes/{visit.world.mailbox().pk}/basket/"
    for _ in range(2):
        response = visit.client.post(address, {"items": items}, follow=True)
    assert b"Already there" in response.content
    page = visit.client.get("/t/acme/basket/").content.decode()
    assert "3 items" in page
    assert '<span class="badge nav-count">3</span>' in page
    assert [event.detail["items"] for event in events(visit, "basket.added")] == [3, 0]


@pytest.mark.parametrize(
    ("items", "words"),
    [
        ([], "Choose at least one item"),
        (["x"], "damaged"),
        (["0"], "not in the backups"),
        ([str(10**30)], "not in the backups"),
    ],
)
def test_nonsense_is_not_put_into_the_basket(visit: Visit, items: list[str], words: str) -> None:
    visit.world.run_job()
    address = f"/t/acme/mailboxes/{visit.world.mailbox().pk}/basket/"
    assert words in visit.client.post(address, {"items": items}, follow=True).content.decode()
    with tenant_scope(visit.world.id):
        assert not BasketItem.objects.exists()


def test_an_item_of_another_mailbox_is_not_put_into_the_basket(visit: Visit) -> None:
    visit.world.run_job()
    other = visit.world.current("jun@acme.example")["jun-0"]
    address = f"/t/acme/mailboxes/{visit.world.mailbox().pk}/basket/"
    page = visit.client.post(address, {"items": [other.pk]}, follow=True).content.decode()
    assert "not in the backups of this mailbox" in page


def test_a_full_basket_takes_nothing_more(visit: Visit, monkeypatch: pytest.MonkeyPatch) -> None:
    visit.world.run_job()
    monkeypatch.setattr(basket, "MAX_BASKET", 2)
    items = [version.pk for version in visit.world.current().values()]
    address = f"/t/acme/mailboxes/{visit.world.mailbox().pk}/basket/"
    page = visit.client.post(address, {"items": items}, follow=True).content.decode()
    assert "at most 2 items" in page


def test_rows_are_taken_out_and_only_of_ones_own_basket(visit: Visit) -> None:
    visit.world.run_job()
    visit.put_aside()
    with tenant_scope(visit.world.id):
        rows = list(BasketItem.objects.values_list("pk", flat=True))
    visit.client.post("/t/acme/basket/remove/", {"items": rows[:1]})
    colleague = create_person(email="udo@acme.example", name="Udo", password="correct horse")
    with tenant_scope(visit.world.id):
        assert BasketItem.objects.count() == 2
        assert basket.remove_from_basket(item_ids=rows, person_id=colleague.pk) == 0
    visit.client.post("/t/acme/basket/empty/")
    assert b"The basket is empty" in visit.client.get("/t/acme/basket/").content


def test_the_basket_is_restored_with_one_session_for_each_mailbox(visit: Visit) -> None:
    visit.world.run_job()
    visit.put_aside()
    visit.put_aside("jun@acme.example")
    form = {"target": "folder", "folder": "Back again", "reason": "ticket 9"}
    page = visit.client.post("/t/acme/basket/restore/", form, follow=True).content.decode()
    assert "2 restores have started" in page
    with tenant_scope(visit.world.id):
        assert Session.objects.filter(kind="restore", reason="ticket 9").count() == 2
        assert set(RestoreItem.objects.values_list("target_folder", flat=True)) == {"Back again"}
        assert not BasketItem.objects.exists()


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ({"target": "folder", "folder": " ", "reason": "kept"}, "Name the folder."),
        ({"target": "folder", "folder": "x" * 300, "reason": "kept"}, "at most 255"),
        ({"target": "nowhere", "reason": "kept"}, "not one of the available choices"),
        ({"reason": "kept"}, "This field is required"),
        ({"target": "folder", "folder": "a\0b", "reason": "kept"}, "Null characters"),
    ],
)
def test_a_wrong_target_is_said_beside_its_field_and_the_reason_is_kept(
    visit: Visit, form: dict[str, str], words: str
) -> None:
    visit.world.run_job()
    visit.put_aside()
    page = visit.client.post("/t/acme/basket/restore/", form).content.decode()
    assert words in page
    assert 'value="kept"' in page
    with tenant_scope(visit.world.id):
        assert BasketItem.objects.count() == 3


def test_an_empty_basket_is_neither_restored_nor_downloaded(visit: Visit) -> None:
    page = visit.client.post("/t/acme/basket/restore/", {"target": "original"}).content
    assert b"The basket is empty" in page
    assert b"The basket is empty" in visit.client.post(DOWNLOAD, follow=True).content


def test_a_download_holds_every_item_as_mail_in_its_folder(visit: Visit) -> None:
    visit.world.sandbox.add_mail("mara@acme.example", "Inbox/Projects", mail("plan", "The plan."))
    visit.world.run_job()
    visit.put_aside()
    visit.put_aside("jun@acme.example")
    archive = fetch(visit)
    assert archive.testzip() is None
    names = set(archive.namelist())
    assert "mara@acme.example/Inbox/mara-0.eml" in names
    assert "mara@acme.example/Inbox/Projects/plan.eml" in names
    assert len(names) == 7
    for address in ("mara@acme.example", "jun@acme.example"):
        payloads = visit.world.sandbox_payloads(address).values()
        assert {archive.read(name) for name in names if name.startswith(address)} == {
            streams.export_file(payload).content() for payload in payloads
        }
    message = email.message_from_bytes(
        archive.read("mara@acme.example/Inbox/Projects/plan.eml"), policy=default
    )
    assert message["Subject"] == "plan"
    assert message.get_body().get_content().strip() == "The plan."
    downloads = events(visit, "items.downloaded")
    assert [(event.subject, event.detail["items"]) for event in downloads] == [
        ("jun@acme.example", 3),
        ("mara@acme.example", 4),
    ]


def test_tricks_in_subjects_and_folders_stay_inside_the_archive(visit: Visit) -> None:
    for number, subject in enumerate(TRICKS):
        text = mail(f"id-{number}").replace(
            f"Subject: id-{number}".encode(), f"Subject: {subject}".encode()
        )
        visit.world.sandbox.add_mail("mara@acme.example", "Inbox/..", text)
    visit.world.run_job()
    visit.put_aside()
    names = fetch(visit).namelist()
    assert len(names) == len(TRICKS) + 3
    assert len({name.casefold() for name in names}) == len(names)
    assert any(name.endswith(" (2).eml") for name in names)
    for name in names:
        parts = name.split("/")
        assert parts[0] == "mara@acme.example"
        assert not {"", ".", ".."} & set(parts)
        assert not set('\\:*?"<>|\u202e') & set(name)
        assert all(len(part.encode()) < 255 for part in parts)
        assert all(part.split(".")[0].upper() != "CON" for part in parts)


def test_an_item_that_cannot_be_read_is_named_in_the_archive(visit: Visit) -> None:
    visit.world.run_job()
    visit.put_aside()
    broken = visit.item("mara-1")
    with tenant_scope(visit.world.id):
        type(broken).objects.filter(pk=broken.pk).update(sha256=bytes(32))
    archive = fetch(visit)
    assert len(archive.namelist()) == 3
    problems = archive.read("problems.txt").decode()
    assert problems.count("\r\n") == 1
    assert "mara@acme.example/Inbox/mara-1: Not readable" in problems


def test_a_download_that_is_too_large_is_refused_with_its_size(
    visit: Visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    visit.world.run_job()
    visit.put_aside()
    monkeypatch.setattr(download, "MAX_BYTES", 10)
    response = visit.client.post(DOWNLOAD, follow=True)
    assert b"a download has at most" in response.content
    assert not events(visit, "items.downloaded")

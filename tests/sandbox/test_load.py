import hashlib
import os
from pathlib import Path

import pytest

from backups.streams import item_view, read_vcard, to_msg
from sandbox import sample
from sandbox.load import load_folder, split_mbox
from sandbox.store import Store

MESSAGE = b"From: a@x\r\nSubject: %d\r\nMessage-ID: <%d@x>\r\n\r\nHello\r\n"
MBOX = (
    b"From a@x Mon Mar  2 10:00:00 2026\nSubject: one\n\nFrom the start\n\nFrom here on\n"
    b">From quoted\n\nFrom b@x Mon Mar  2 10:00:01 2026\nSubject: two\n\nbody\n\n"
    b"From 1844347792@xxx\nSubject: three\n\nend\n"
)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "exchange.sqlite")


@pytest.fixture
def mailboxes(store: Store) -> list[str]:
    directory = store.add_directory("Acme", "acme.example")
    return [
        store.add_user(directory.id, f"user{n}@acme.example", f"User {n}").mailbox or ""
        for n in range(3)
    ]


def test_every_file_is_loaded_or_refused_with_a_reason(
    store: Store, mailboxes: list[str], tmp_path: Path
):
    mail = tmp_path / "mail"
    (mail / "deep" / "er").mkdir(parents=True)
    for number in range(20):
        (mail / "deep" / f"{number}.eml").write_bytes(MESSAGE % (number, number))
    (mail / "deep" / "er" / "UPPER.EML").write_bytes(MESSAGE % (99, 99))
    (mail / "box.mbox").write_bytes(MBOX)
    (mail / "empty.mbox").write_bytes(b"")
    (mail / "empty.eml").write_bytes(b"")
    (mail / "README").write_bytes(b"From: somebody\n\n")
    (mail / "outlook.pst").write_bytes(b"!BDN")
    (mail / "card.vcf").write_bytes(b"BEGIN:VCARD")
    (mail / "dangling.eml").symlink_to(tmp_path / "nowhere")
    report = load_folder(store, mailboxes, mail)
    refused = {refusal.name: refusal.reason for refusal in report.refused}
    assert refused.keys() == {
        "empty.mbox",
        "empty.eml",
        "README",
        "card.vcf#card 1",
        "outlook.pst",
        "dangling.eml",
    }
    assert refused["outlook.pst"] == "the store is damaged, or of a kind that is not read"
    assert refused["README"] == "no extension"
    assert all(refused.values())
    assert report.loaded == 21 + 3
    assert report.found == report.loaded + len(report.refused)
    assert sum(items for _, _, items, _ in store.counts()) == report.loaded


CALENDAR = (
    b"BEGIN:VCALENDAR\nBEGIN:VEVENT\nSUMMARY:One\nDTSTART:20260301T100000Z\nEND:VEVENT\n"
    b"BEGIN:VEVENT\nSUMMARY:Two\nDTSTART:soon\nEND:VEVENT\n"
    b"BEGIN:VEVENT\nSUMMARY:Three\nDTSTART:20260303T100000Z\nEND:VEVENT\n"
    b"BEGIN:VTODO\nSUMMARY:Do it\nEND:VTODO\nEND:VCALENDAR\n"
)
CARD = b"BEGIN:VCARD\nVERSION:3.0\nFN:Anna\nEND:VCARD\n"


def test_events_contacts_and_tasks_go_to_the_folders_of_their_kind(
    store: Store, mailboxes: list[str], tmp_path: Path
):
    (tmp_path / "mail").mkdir()
    (tmp_path / "mail" / "three.ics").write_bytes(CALENDAR)
    (tmp_path / "mail" / "cards.vcf").write_bytes(CARD * 2)
    report = load_folder(store, mailboxes, tmp_path / "mail")
    assert (report.found, report.loaded) == (6, 5)
    assert [(r.name, r.reason) for r in report.refused] == [
        ("three.ics#event 2, Two", "DTSTART is no date: soon")
    ]
    held = {
        (folder.name, folder.type): folder.items
        for mailbox in mailboxes
        for folder in store.folders(mailbox)
        if folder.items
    }
    assert held == {
        ("Calendar", "IPF.Appointment"): 2,
        ("Contacts", "IPF.Contact"): 2,
        ("Tasks", "IPF.Task"): 1,
    }


def test_outlook_files_are_loaded_or_refused_with_a_reason(
    store: Store, mailboxes: list[str], tmp_path: Path
):
    (tmp_path / "mail").mkdir()
    (contact,) = read_vcard(CARD)
    assert contact.payload is not None
    (tmp_path / "mail" / "anna.msg").write_bytes(to_msg(contact.payload))
    (tmp_path / "mail" / "broken.msg").write_bytes(b"not a compound file")
    (tmp_path / "mail" / "winmail.dat").write_bytes(b"nothing")
    report = load_folder(store, mailboxes, tmp_path / "mail")
    assert {refusal.name for refusal in report.refused} == {"broken.msg", "winmail.dat"}
    folders = [folder for mailbox in mailboxes for folder in store.folders(mailbox)]
    assert {folder.name for folder in folders if folder.items} == {"Contacts"}


@pytest.mark.corpus
def test_a_store_comes_into_one_mailbox_with_its_folders(
    store: Store, mailboxes: list[str], tmp_path: Path
):
    corpus = os.environ.get("STOWAGE_CORPUS", "")
    stores = list(Path(corpus).rglob("dist-list.pst")) if corpus else []
    if not stores:
        pytest.skip("STOWAGE_CORPUS names no unpacked corpus")
    (tmp_path / "mail").mkdir()
    (tmp_path / "mail" / "outlook.pst").write_bytes(stores[0].read_bytes())
    report = load_folder(store, mailboxes, tmp_path / "mail")
    assert report.refused == []
    held = {
        mailbox: {folder.name: folder.type for folder in store.folders(mailbox) if folder.items}
        for mailbox in mailboxes
    }
    assert [found for found in held.values() if found] == [
        {"Calendar": "IPF.Appointment", "Contacts": "IPF.Contact", "Freebusy Data": "IPF.Note"}
    ]


def test_mail_is_spread_the_same_way_each_time(tmp_path: Path):
    mail = tmp_path / "mail"
    mail.mkdir()
    for number in range(40):
        (mail / f"{number}.eml").write_bytes(MESSAGE % (number, number))
    spread = []
    for turn in range(2):
        store = Store(tmp_path / f"{turn}.sqlite")
        directory = store.add_directory("Acme", "acme.example")
        users = [store.add_user(directory.id, f"{n}@acme.example", "X") for n in range(2)]
        load_folder(store, [user.mailbox or "" for user in users], mail)
        spread.append(
            {
                (user.address, folder.name): folder.items
                for user in users
                for folder in store.folders(user.mailbox or "")
                if folder.items
            }
        )
    assert spread[0] == spread[1]
    assert len(spread[0]) > 6


def test_a_folder_that_is_none_is_said_so(store: Store, mailboxes: list[str], tmp_path: Path):
    with pytest.raises(NotADirectoryError):
        load_folder(store, mailboxes, tmp_path / "absent")
    with pytest.raises(ValueError, match="no mailbox"):
        load_folder(store, [], tmp_path)


def test_an_mbox_is_split_at_separators_and_not_at_text():
    messages = list(split_mbox(MBOX))
    assert [message.splitlines()[0] for message in messages] == [
        b"Subject: one",
        b"Subject: two",
        b"Subject: three",
    ]
    assert b"From the start\n\nFrom here on\nFrom quoted\n" in messages[0]
    assert messages[1] == b"Subject: two\n\nbody\n"
    assert list(split_mbox(b"no separator\n")) == []


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Store:
    store = Store(tmp_path_factory.mktemp("sample") / "exchange.sqlite")
    sample.fill(store)
    return store


def content(store: Store) -> bytes:
    digest = hashlib.sha256()
    for row in store.database.rows("SELECT id, folder, payload FROM items ORDER BY number"):
        digest.update(f"{row['id']} {row['folder']}".encode() + row["payload"])
    return digest.digest()


def test_the_sample_is_the_same_every_time_and_filled_once(filled: Store, tmp_path: Path):
    other = Store(tmp_path / "exchange.sqlite")
    directories = sample.fill(other)
    assert [directory.name for directory in directories] == ["Acme", "Globex", "Globex Research"]
    assert content(other) == content(filled)
    assert sample.fill(filled) == directories
    assert content(filled) == content(other)


def test_the_sample_has_people_rooms_threads_attachments_and_many_scripts(filled: Store):
    acme = filled.directory("acme.example")
    kinds = {user.kind for user in filled.users(acme.id)}
    assert kinds == {"user", "shared", "room", None}
    assert all(30 <= items <= 200 for _, _, items, _ in filled.counts())
    subjects: set[str] = set()
    shared: dict[str, set[str]] = {}
    for user in filled.users(acme.id):
        for folder in filled.folders(user.mailbox or ""):
            for item in filled.items(folder.id):
                view = item_view(filled.payload(item.mailbox, item.id))
                subjects.add(view.subject)
                for attachment in view.attachments:
                    shared.setdefault(attachment.name, set()).add(user.address)
    assert {"Angebot für die Kühlanlage", "来月の会議について", "Запуск в понедельник"} <= subjects
    assert any(subject.startswith("Re: ") for subject in subjects)
    assert {name.rpartition(".")[2] for name in shared} == {"png", "pdf", "csv"}
    assert all(len(people) > 1 for people in shared.values())


def test_everybody_in_the_sample_has_a_calendar_contacts_and_a_task(filled: Store):
    acme = filled.directory("acme.example")
    for user in filled.users(acme.id):
        if user.kind not in ("user", "shared"):
            continue
        items = {
            folder.name: filled.items(folder.id) for folder in filled.folders(user.mailbox or "")
        }
        assert [len(items[name]) for name in ("Calendar", "Contacts", "Tasks")] == [3, 3, 1]
        weekly = item_view(filled.payload(user.mailbox or "", items["Calendar"][0].id))
        assert weekly.subject == f"Weekly meeting of {user.name}"
        assert dict(weekly.facts)["Repeats"] == "Every week on Monday, 20 times"
        assert len(weekly.to) == 4

"""What goes wrong with servers in the field, on purpose."""

import base64
import binascii
import re
from xml.etree import ElementTree

import httpx
import pytest

from backups.streams import StreamTruncated, validate
from sandbox.faults import Fault, Faults, Kind
from sandbox.http import Request
from tests.sandbox.ews import (
    M,
    Server,
    T,
    codes,
    export,
    find,
    get_folder,
    get_item,
    ids,
    mail,
    state_of,
    sync,
)

MIME = "<t:IncludeMimeContent>true</t:IncludeMimeContent>"


def data_of(server: Server, identity: str) -> str:
    return next(server.call(export(identity), checked=False).iter(f"{M}Data")).text


def test_a_fault_strikes_an_operation_and_not_the_sign_in(server: Server):
    server.sandbox.faults.add(Fault(Kind.STATUS, "Exchange.asmx FindItem", status=503))
    assert server.post(get_folder("inbox")).status_code == 200
    assert server.post(find()).status_code == 503
    assert server.post(find()).status_code == 200


def test_a_busy_server_says_for_how_long(server: Server):
    server.sandbox.faults.add(Fault(Kind.FAULT, "FindItem", retry_after=3))
    answer = server.post(find())
    assert answer.status_code == 500
    assert "ErrorServerBusy" in answer.text
    value = re.search(r'Name="BackOffMilliseconds">(\d+)<', answer.text)
    assert value[1] == "3000"


def test_broken_answers_break_the_client(server: Server):
    server.sandbox.faults.add(Fault(Kind.RESET, "FindItem"), Fault(Kind.TRUNCATED, "FindItem"))
    with pytest.raises(httpx.TransportError):
        server.post(find())
    with pytest.raises(ElementTree.ParseError):
        ElementTree.fromstring(server.post(find()).content)


def test_a_slow_body_comes_whole_and_takes_its_time(server: Server):
    server.sandbox.faults.add(Fault(Kind.SLOW, "FindItem", seconds=0.2))
    answer = server.post(find())
    assert answer.elapsed.total_seconds() >= 0.2
    ElementTree.fromstring(answer.content)


def test_times_with_nine_digits_fit_the_schema_and_no_parser_of_six(server: Server):
    server.add_mail(1)
    (identity,) = ids(server.call(find()))
    server.sandbox.faults.add(Fault(Kind.NINE_DIGITS, "GetItem"))
    found = next(server.call(get_item(identity)).iter(f"{T}DateTimeReceived")).text
    assert re.fullmatch(r"2026-03-02T10:00:00\.\d{9}Z", found)


def test_a_forgotten_state_starts_over_without_a_word(server: Server):
    server.add_mail(1)
    state = state_of(server.call(sync()))
    server.sandbox.faults.add(Fault(Kind.FORGOTTEN_STATE, "SyncFolderItems"))
    answer = server.call(sync(state=state))
    assert codes(answer) == ["NoError"]
    assert len(ids(answer)) == 1
    assert ids(server.call(sync(state=state_of(answer)))) == []


def test_a_folder_that_is_gone_is_an_error_or_an_empty_success(server: Server):
    mailbox = server.sandbox.store.user(server.address).mailbox
    folder = server.sandbox.store.folder_at(mailbox, "Inbox/Old")
    listed = server.call(
        '<FindFolder Traversal="Deep"><FolderShape><t:BaseShape>Default</t:BaseShape>'
        '</FolderShape><ParentFolderIds><t:DistinguishedFolderId Id="inbox"/>'
        "</ParentFolderIds></FindFolder>"
    )
    named = f'<t:FolderId Id="{next(listed.iter(f"{T}FolderId")).get("Id")}"/>'
    state = state_of(server.call(sync(named)))
    server.sandbox.store.remove_folder(mailbox, folder.id)
    assert codes(server.call(sync(named, state))) == ["ErrorSyncFolderNotFound"]
    assert codes(server.call(find(named))) == ["ErrorFolderNotFound"]
    server.sandbox.faults.add(Fault(Kind.EMPTY_SUCCESS, "Sync|FindItem", times=2))
    answer = server.call(sync(named, state))
    assert (codes(answer), state_of(answer), ids(answer)) == (["NoError"], state, [])
    assert codes(server.call(find(named))) == ["NoError"]


def test_one_bad_id_may_fail_the_whole_batch(server: Server):
    server.add_mail(1)
    (good,) = ids(server.call(find()))
    assert codes(server.call(export(good, "bad+"))) == ["NoError", "ErrorInvalidIdMalformed"]
    server.sandbox.faults.add(Fault(Kind.FAILED_BATCH, "ExportItems", times=2))
    assert server.fault(export(good, "bad+")) == "ErrorInvalidIdMalformed"
    assert codes(server.call(export(good))) == ["NoError"]


def test_an_export_may_end_early_in_every_way(server: Server):
    identity = server.add_mail(1, body="Hello " * 500)
    whole = server.sandbox.store.payload(server.mailbox, identity)
    (name,) = ids(server.call(find()))
    assert base64.b64decode(data_of(server, name), validate=True) == whole

    server.sandbox.faults.add(Fault(Kind.TRUNCATED_ITEM), Fault(Kind.MARKED_ITEM))
    for _ in range(2):
        with pytest.raises(binascii.Error):
            base64.b64decode(data_of(server, name), validate=True)
    server.sandbox.faults.add(Fault(Kind.MARKED_ITEM))
    assert data_of(server, name).endswith("=== Truncated Data ===")
    server.sandbox.faults.add(Fault(Kind.DAMAGED_ITEM))
    with pytest.raises(StreamTruncated):
        validate(base64.b64decode(data_of(server, name), validate=True))


def test_an_export_may_leave_an_item_out_or_refuse_it(server: Server):
    for number in range(3):
        server.add_mail(number)
    names = ids(server.call(find()))
    server.sandbox.faults.add(
        Fault(Kind.MISSING_ITEM, item="<0@acme.example>"),
        Fault(Kind.FAILED_ITEM, item="<2@acme.example>", code="ErrorCorruptData"),
    )
    answer = server.call(export(*names))
    assert codes(answer) == ["NoError", "ErrorCorruptData"]
    assert [one.get("Id") for one in answer.iter(f"{M}ItemId")] == [names[1]]


def test_mime_content_may_come_without_its_attachments(server: Server):
    head, _, body = mail(1).partition(b"\r\n\r\n")
    parts = b"--x\r\n\r\n%s\r\n--x\r\nContent-Type: application/pdf; name=a.pdf\r\n" % body
    parts += b"Content-Disposition: attachment; filename=a.pdf\r\n\r\nPDF\r\n--x--\r\n"
    head += b"\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n"
    server.sandbox.add_mail(server.address, "Inbox", head + parts)
    (name,) = ids(server.call(find()))
    server.sandbox.faults.add(Fault(Kind.BARE_ITEM))
    bare, whole = (
        base64.b64decode(next(server.call(get_item(name, MIME)).iter(f"{T}MimeContent")).text)
        for _ in range(2)
    )
    assert b"a.pdf" in whole
    assert b"a.pdf" not in bare
    assert b"Hello" in bare


def test_a_fault_of_a_probability_falls_the_same_in_each_run():
    def run() -> list[bool]:
        faults = Faults(seed=7)
        faults.add(Fault(Kind.RESET, "GET", times=1000, probability=0.3))
        return [faults.strike(Request("GET", "/x", {})) is not None for _ in range(200)]

    assert run() == run()
    assert 30 < sum(run()) < 90

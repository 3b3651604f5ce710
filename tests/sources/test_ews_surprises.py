"""What servers in the field do that the documentation does not say."""

from datetime import UTC

import pytest

from backups.sources import (
    CursorExpired,
    Gone,
    NotPermitted,
    Retry,
    SourceError,
    Throttled,
    Unavailable,
)
from backups.sources.ews import listing as ews_listing
from sandbox.faults import Fault, Kind
from tests.sources.conftest import everything
from tests.sources.exchange import Server, folders, listed, payloads_of


def test_times_with_nine_digits_are_times(server: Server):
    source = server.connect()
    server.add_mail()
    server.sandbox.faults.add(Fault(Kind.NINE_DIGITS, "SyncFolderItems"))
    (change,) = listed(source, server.address)
    assert server.sandbox.faults.struck
    assert change.modified_at is not None
    assert change.modified_at.tzinfo is UTC


def test_a_state_that_is_silently_forgotten_expires_and_removes_nothing(server: Server):
    source = server.connect()
    ids = server.add_mail(12)
    inbox = folders(source, server.address)["inbox"].id
    first, cursor = everything(source, server.address, inbox)
    server.sandbox.store.delete_item(server.mailbox, ids[3], hard=True)
    server.sandbox.faults.add(Fault(Kind.FORGOTTEN_STATE, "SyncFolderItems"))

    with pytest.raises(CursorExpired, match="starts over"):
        everything(source, server.address, inbox, cursor)

    again, _ = everything(source, server.address, inbox)
    assert len(again) == len(first) - 1
    assert not any(change.removed for change in again.values())


def test_a_witness_that_is_deleted_is_no_sign_of_a_forgotten_state(server: Server):
    source = server.connect()
    ids = server.add_mail(2)
    inbox = folders(source, server.address)["inbox"].id
    _, cursor = everything(source, server.address, inbox)
    for number, item in enumerate(ids):
        server.sandbox.store.delete_item(server.mailbox, item, hard=True)
        server.add_mail()
        changes, cursor = everything(source, server.address, inbox, cursor)
        assert sorted(change.removed for change in changes.values()) == [False, True], number


def test_a_forgotten_folder_list_is_told_again_and_removes_nothing(server: Server):
    source = server.connect()
    (*_, last) = source.hierarchy(server.address, None)
    server.sandbox.faults.add(Fault(Kind.FORGOTTEN_STATE, "SyncFolderHierarchy", times=9))
    pages = list(source.hierarchy(server.address, last.cursor))
    assert {one.well_known for page in pages for one in page.folders} >= {"inbox", "calendar"}
    assert not any(page.removed for page in pages)


def test_empty_success_for_a_folder_that_is_gone_is_not_an_empty_folder(server: Server):
    source, store = server.connect(), server.sandbox.store
    made = store.folder_at(server.mailbox, "Short-lived")
    place = folders(source, server.address)["Short-lived"].id
    store.remove_folder(server.mailbox, made.id)
    server.sandbox.faults.add(Fault(Kind.EMPTY_SUCCESS, "", times=9))
    with pytest.raises(Gone):
        everything(source, server.address, place)


def test_a_list_that_is_empty_while_the_folder_counts_items_is_not_believed(
    server: Server, monkeypatch: pytest.MonkeyPatch
):
    source = server.connect()
    server.add_mail(2)
    inbox = folders(source, server.address)["inbox"].id
    monkeypatch.setattr(ews_listing, "m", lambda name: "none" if name == "Changes" else _m(name))
    with pytest.raises(Retry, match="holds 2 items"):
        everything(source, server.address, inbox)


_m = ews_listing.m


@pytest.mark.parametrize("native", [True, False])
def test_one_bad_id_that_fails_its_batch_costs_nobody_else(server: Server, native: bool):
    source = server.connect()
    ids = server.add_mail(9)
    changes = listed(source, server.address)
    server.sandbox.store.delete_item(server.mailbox, ids[4], hard=True)
    server.sandbox.set_bulk_transfer("acme.example", supported=native)
    server.sandbox.faults.add(Fault(Kind.FAILED_BATCH, "ExportItems|GetItem", times=99))
    try:
        items = list(source.export(server.address, changes))
    finally:
        server.sandbox.set_bulk_transfer("acme.example", supported=True)
    assert [type(item.error) for item in items if item.error] == [Gone]
    assert len([item for item in items if item.payload]) == 8


def test_a_stream_that_the_server_marked_as_truncated_is_asked_for_again(server: Server):
    source = server.connect()
    ids = server.add_mail(4)
    changes = listed(source, server.address)
    server.sandbox.faults.add(Fault(Kind.MARKED_ITEM, item=ids[0]))
    assert payloads_of(list(source.export(server.address, changes))) == server.payloads(*ids)

    server.sandbox.faults.add(Fault(Kind.MARKED_ITEM, item=ids[0], times=99))
    (bad,) = (item for item in source.export(server.address, changes) if item.error)
    assert isinstance(bad.error, Retry)
    assert "truncated data" in str(bad.error)


def test_a_busy_server_says_how_long_in_milliseconds(server: Server):
    source = server.connect()
    server.sandbox.faults.add(
        Fault(Kind.FAULT, "SyncFolderItems", code="ErrorServerBusy", retry_after=298)
    )
    inbox = folders(source, server.address)["inbox"].id
    with pytest.raises(Throttled) as caught:
        everything(source, server.address, inbox)
    assert caught.value.retry_after == 298


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("ErrorInternalServerError", Retry),
        ("ErrorMailboxStoreUnavailable", Unavailable),
        ("ErrorInvalidServerVersion", Unavailable),
        ("ErrorAccessDenied", NotPermitted),
        ("ErrorNonExistentMailbox", Gone),
    ],
)
def test_faults_are_errors_of_the_room(server: Server, code: str, error: type[SourceError]):
    source = server.connect()
    server.sandbox.faults.add(Fault(Kind.FAULT, "SyncFolderHierarchy", times=9, code=code))
    with pytest.raises(error, match=code):
        folders(source, server.address)


def test_a_slow_answer_is_waited_for(server: Server):
    source = server.connect()
    ids = server.add_mail(3)
    changes = listed(source, server.address)
    server.sandbox.faults.add(Fault(Kind.SLOW, "ExportItems", seconds=0.2))
    assert payloads_of(list(source.export(server.address, changes))) == server.payloads(*ids)


def test_everything_at_once_ends_as_without_faults(server: Server):
    source = server.connect()
    ids = server.add_mail(90)
    script = [
        Fault(Kind.RESET, "SyncFolderItems", times=1),
        Fault(Kind.TRUNCATED, "ExportItems", times=2),
        Fault(Kind.LOST, "ExportItems", times=1),
        Fault(Kind.STATUS, "ExportItems", times=2, status=504),
        Fault(Kind.FAULT, "ExportItems", times=1, code="ErrorTimeoutExpired"),
        Fault(Kind.MISSING_ITEM, item=ids[10]),
        Fault(Kind.MARKED_ITEM, item=ids[30]),
        Fault(Kind.TRUNCATED_ITEM, item=ids[50]),
        Fault(Kind.FAILED_ITEM, item=ids[70], code="ErrorMailboxFailover"),
    ]
    server.sandbox.faults.add(*script)
    before = len(server.sandbox.faults.struck)

    changes = listed(source, server.address)
    items = list(source.export(server.address, changes))

    assert len(items) == 90
    assert payloads_of(items) == server.payloads(*ids)
    assert len(server.sandbox.faults.struck) - before == sum(fault.times for fault in script)

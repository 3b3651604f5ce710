from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import time_machine

from backups.sources import CursorExpired, Gone, GraphSource, ItemChange
from backups.sources.ews import EwsSource
from backups.sources.ews import listing as ews_listing
from sandbox.faults import Fault, Kind
from tests.sources.conftest import World, everything
from tests.sources.exchange import Server, folders, listed


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ews_listing, "PAGE", 10)


def changed(
    source: EwsSource, server: Server, folder: str, cursor: str | None
) -> tuple[dict[str, ItemChange], str]:
    return everything(source, server.address, folder, cursor)


def test_the_tree_is_told_as_graph_tells_it(server: Server, world: World, source: GraphSource):
    server.sandbox.store.folder_at(server.mailbox, "Inbox/Projects")
    world.sandbox.store.folder_at(world.mailbox, "Inbox/Projects")

    there, here = folders(source, world.mailbox), folders(server.connect(), server.address)

    def shown(tree: dict) -> set:
        names = {folder.id: folder.name for folder in tree.values()}
        return {
            (one.name, names.get(one.parent_id), one.kind, one.well_known, one.items)
            for one in tree.values()
        }

    assert shown(here) == shown(there)
    assert ("Projects", "Inbox", "IPF.Note", None, 0) in shown(here)


def test_a_later_round_tells_new_and_removed_folders(server: Server):
    source, store = server.connect(), server.sandbox.store
    old = store.folder_at(server.mailbox, "Old")
    (*_, last) = source.hierarchy(server.address, None)
    before = folders(source, server.address)

    store.folder_at(server.mailbox, "New")
    store.remove_folder(server.mailbox, old.id)
    pages = list(source.hierarchy(server.address, last.cursor))

    assert [one.name for page in pages for one in page.folders] == ["New"]
    assert {one for page in pages for one in page.removed} == {before["Old"].id}
    assert [page.complete for page in pages] == [False, False, True]


def test_an_archive_is_a_tree_below_a_folder_of_its_own(server: Server):
    source = server.connect()
    assert "archivemsgfolderroot" not in folders(source, server.address)

    archive = server.sandbox.add_archive(server.address)
    server.sandbox.store.folder_at(archive, "Inbox")
    tree = folders(source, server.address)

    root = tree["archivemsgfolderroot"]
    assert root.parent_id is None
    inside = [folder for folder in tree.values() if folder.parent_id == root.id]
    assert inside
    assert tree["inbox"].parent_id != root.id


def test_an_archive_that_comes_later_is_found_within_a_day(server: Server):
    source = server.connect()
    (*_, last) = source.hierarchy(server.address, None)
    server.sandbox.add_archive(server.address)

    def told() -> list[str | None]:
        pages = source.hierarchy(server.address, last.cursor)
        return [one.well_known for page in pages for one in page.folders]

    assert "archivemsgfolderroot" not in told()
    with time_machine.travel(datetime.now(UTC) + timedelta(hours=25), tick=False):
        assert "archivemsgfolderroot" in told()


def test_an_archive_that_goes_is_not_the_mailbox_that_goes(server: Server):
    source = server.connect()
    server.sandbox.add_archive(server.address)
    (*_, last) = source.hierarchy(server.address, None)
    gone = Fault(Kind.FAULT, "SyncFolderHierarchy", code="ErrorFolderNotFound")
    server.sandbox.faults.add(replace(gone, after=2))
    (*_, last) = source.hierarchy(server.address, last.cursor)
    assert last.complete
    assert list(source.hierarchy(server.address, last.cursor))

    server.sandbox.faults.add(gone)
    with pytest.raises(Gone):
        list(source.hierarchy(server.address, last.cursor))


def test_items_are_told_with_class_size_and_date(server: Server):
    source = server.connect()
    (item,) = server.add_mail()
    (change,) = listed(source, server.address)
    held = server.sandbox.store.item(server.mailbox, item)
    assert change.item_class == "IPM.Note"
    assert change.size == held.size
    assert change.change_key
    assert change.modified_at == datetime.fromisoformat(held.modified_at)


def test_later_rounds_tell_what_is_new_changed_read_and_gone(server: Server):
    source, store = server.connect(), server.sandbox.store
    ids = server.add_mail(4)
    inbox = folders(source, server.address)["inbox"].id
    first, cursor = changed(source, server, inbox, None)
    assert len(first) == 4
    assert changed(source, server, inbox, cursor) == ({}, cursor)

    server.add_mail()
    store.delete_item(server.mailbox, ids[0], hard=False)
    later, cursor = changed(source, server, inbox, cursor)

    new = [change for change in later.values() if not change.removed]
    assert [change.id in first for change in new] == [False]
    (gone,) = (change for change in later.values() if change.removed)
    assert gone.id in first


def test_a_long_list_comes_in_pages_that_can_be_gone_on_from(server: Server, small_pages: None):
    source = server.connect()
    server.add_mail(35)
    inbox = folders(source, server.address)["inbox"].id
    pages = list(source.changes(server.address, inbox, None))
    assert [len(page.changes) for page in pages] == [10, 10, 10, 5]
    assert [page.complete for page in pages] == [False, False, False, True]

    rest = list(server.connect().changes(server.address, inbox, pages[1].cursor))

    assert [len(page.changes) for page in rest] == [10, 5]
    assert {one.id for page in rest for one in page.changes} == {
        one.id for page in pages[2:] for one in page.changes
    }


@pytest.mark.parametrize("cursor", ["", "nonsense", '{"ews":"folders"}', "[]", "/v1.0/admin"])
def test_a_cursor_that_is_none_of_ours_has_expired(server: Server, cursor: str):
    source = server.connect()
    inbox = folders(source, server.address)["inbox"].id
    with pytest.raises(CursorExpired):
        list(source.changes(server.address, inbox, cursor))


def test_a_sync_state_that_the_server_refuses_has_expired(server: Server):
    source = server.connect()
    inbox = folders(source, server.address)["inbox"].id
    with pytest.raises(CursorExpired):
        list(source.changes(server.address, inbox, '{"ews":"items","state":"AAAA"}'))


def test_a_folder_that_is_not_there_is_gone(server: Server):
    source = server.connect()
    store = server.sandbox.store
    made = store.folder_at(server.mailbox, "Short-lived")
    place = folders(source, server.address)["Short-lived"].id
    store.remove_folder(server.mailbox, made.id)
    with pytest.raises(Gone):
        list(source.changes(server.address, place, None))


def test_a_mailbox_that_is_not_there_is_gone(server: Server):
    with pytest.raises(Gone):
        list(server.connect().hierarchy("nobody@acme.example", None))


def test_a_round_without_changes_takes_a_request_for_each_folder_and_two(server: Server):
    source = server.connect()
    server.add_mail(3)
    (*_, last) = source.hierarchy(server.address, None)
    tree = folders(source, server.address)
    cursors = {folder.id: changed(source, server, folder.id, None)[1] for folder in tree.values()}
    before = source.requests

    list(source.hierarchy(server.address, last.cursor))
    for folder, cursor in cursors.items():
        assert changed(source, server, folder, cursor)[0] == {}

    assert source.requests - before == len(tree) + 2

"""Public folders, which Exchange does not synchronize."""

from collections.abc import Iterator

import pytest

from backups.sources import CursorExpired, ItemChange
from backups.sources.ews import EwsSource
from backups.sources.ews import public as ews_public
from sandbox.faults import Fault, Kind
from sandbox.items import from_mail
from tests.sources.conftest import everything
from tests.sources.exchange import Server, payloads_of
from tests.sources.letters import mail


class Public:
    """The organization's public folders, emptied for each test."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.store = server.sandbox.store
        self.held = server.sandbox.add_public_folders("acme.example")
        self.source: EwsSource = server.connect(public_folders_through=server.address)
        (mailbox,) = (one for one in self.source.discover() if one.kind == "public")
        self.mailbox = mailbox.id
        self.number = 0

    def clear(self) -> None:
        for folder in reversed(self.store.folders(self.held)):
            if folder.well_known is None:
                self.store.remove_folder(self.held, folder.id)

    def at(self, path: str) -> str:
        """The store's id of a folder, made when missing."""
        place = "publicfoldersroot"
        for name in path.split("/"):
            above = self.store.folder(self.held, place).id
            there = [
                one.id
                for one in self.store.folders(self.held)
                if one.parent == above and one.name == name
            ]
            place = there[0] if there else self.store.add_folder(self.held, above, name, "").id
        return place

    def add(self, folder: str, count: int = 1) -> list[str]:
        place = self.at(folder)
        made = []
        for _ in range(count):
            self.number += 1
            item = self.store.add_item(self.held, place, from_mail(mail(self.number)))
            made.append(item.id)
        return made

    def folders(self, cursor: str | None = None) -> tuple[dict[str, str], list[str], str]:
        """(ids by path, removed ids, cursor)"""
        pages = list(self.source.hierarchy(self.mailbox, cursor))
        found = {one.id: one for page in pages for one in page.folders}

        def path(identity: str) -> str:
            one = found[identity]
            above = f"{path(one.parent_id)}/" if one.parent_id in found else ""
            return f"{above}{one.name}"

        removed = [one for page in pages for one in page.removed]
        assert [page.complete for page in pages] == [False] * (len(pages) - 1) + [True]
        return {path(identity): identity for identity in found}, removed, pages[-1].cursor

    def items(self, folder: str, cursor: str | None) -> tuple[dict[str, ItemChange], str]:
        return everything(self.source, self.mailbox, folder, cursor)


@pytest.fixture
def public(server: Server) -> Iterator[Public]:
    made = Public(server)
    made.clear()
    yield made
    made.clear()


def test_public_folders_are_listed_level_by_level(public: Public):
    public.add("Sales/Offers/2026")
    public.add("Support")
    found, removed, _ = public.folders()
    assert found.keys() == {"Sales", "Sales/Offers", "Sales/Offers/2026", "Support"}
    assert removed == []


def test_a_public_folder_that_is_gone_is_removed_by_comparison(public: Public):
    public.add("Sales/Offers")
    before, _, cursor = public.folders()
    public.store.remove_folder(public.held, public.at("Sales/Offers"))
    found, removed, _ = public.folders(cursor)
    assert found.keys() == {"Sales"}
    assert removed == [before["Sales/Offers"]]


def test_later_rounds_tell_only_what_is_new_changed_or_gone(
    public: Public, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(ews_public, "PAGE", 4)
    ids = public.add("Sales", 10)
    sales = public.folders()[0]["Sales"]
    first, cursor = public.items(sales, None)
    assert len(first) == 10
    assert public.items(sales, cursor)[0] == {}

    public.store.move_item(public.held, ids[2], public.at("Elsewhere"))
    public.add("Sales")
    later, cursor = public.items(sales, cursor)

    assert sorted(change.removed for change in later.values()) == [False, True]
    assert all(change.id in first for change in later.values() if change.removed)
    assert public.items(sales, cursor)[0] == {}


def test_an_item_that_comes_while_the_pages_are_read_removes_nothing(
    public: Public, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(ews_public, "PAGE", 4)
    ids = public.add("Sales", 10)
    sales = public.folders()[0]["Sales"]
    _, cursor = public.items(sales, None)
    public.store.move_item(public.held, ids[0], public.at("Elsewhere"))

    told: list[ItemChange] = []
    for number, page in enumerate(public.source.changes(public.mailbox, sales, cursor)):
        told += page.changes
        last = page.cursor
        if number == 0:
            public.add("Sales")

    assert not any(change.removed for change in told)
    assert [one.removed for one in public.items(sales, last)[0].values()] == [True]


def test_a_round_that_breaks_off_is_begun_again(public: Public, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(ews_public, "PAGE", 4)
    public.add("Sales", 10)
    sales = public.folders()[0]["Sales"]
    (first, *_) = public.source.changes(public.mailbox, sales, None)
    again, _ = public.items(sales, first.cursor)
    assert len(again) == 10


def test_public_items_are_exported_and_restored(public: Public):
    ids = public.add("Sales", 3)
    sales = public.folders()[0]["Sales"]
    changes, _ = public.items(sales, None)
    items = list(public.source.export(public.mailbox, list(changes.values())))
    assert payloads_of(items) == {public.store.payload(public.held, item) for item in ids}

    made = public.source.create_folder(public.mailbox, None, "Restored", "IPF.Note")
    reference = public.source.create(public.mailbox, made.id, items[0].payload)
    assert list(public.items(made.id, None)[0]) == [reference.id]


def test_a_cursor_of_public_folders_that_is_damaged_has_expired(public: Public):
    public.add("Sales")
    sales = public.folders()[0]["Sales"]
    for cursor in ('{"ews":"public items"}', '{"ews":"public items","known":"AAAA"}', "x"):
        with pytest.raises(CursorExpired):
            public.items(sales, cursor)


def test_a_listing_that_fails_half_way_removes_no_folder(public: Public):
    public.add("Sales/Offers")
    _, _, cursor = public.folders()
    public.server.sandbox.faults.add(
        Fault(Kind.STATUS, "FindFolder", times=1, after=1, status=503, retry_after=60)
    )
    removed = []
    with pytest.raises(Exception, match="60 s"):
        for page in public.source.hierarchy(public.mailbox, cursor):
            removed += page.removed
    assert removed == []

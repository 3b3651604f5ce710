"""Archives of Exchange Online: one tree with their mailbox, however little they can do."""

import pytest

from backups.sources import (
    CursorExpired,
    Gone,
    GraphSource,
    ItemChange,
    Refused,
    Retry,
    Throttled,
    Unavailable,
    reference_of,
)
from sandbox.archives import ArchiveProfile
from sandbox.faults import Fault, Kind
from tests.sources.conftest import World, everything, exported, folders, mail

PROFILES = list(ArchiveProfile)


class Archived:
    """Somebody with an archive and three old messages in it."""

    def __init__(self, world: World, profile: ArchiveProfile) -> None:
        self.world = world
        self.store = world.sandbox.store
        self.archive = world.sandbox.add_archive(world.address, profile)
        self.reference = reference_of(world.mailbox, self.archive)
        self.old = self.add("Old", 3)
        self.folder = self.place("Old")

    def add(self, folder: str, count: int = 1) -> list[str]:
        """Ids of new messages, as the source calls them."""
        sandbox, address = self.world.sandbox, self.world.address
        numbers = range(len(self.store.folders(self.archive)), 10_000)
        return [
            f"archive:{sandbox.add_mail(address, folder, mail(number), archive=True).id}"
            for number, _ in zip(numbers, range(count), strict=False)
        ]

    def place(self, folder: str) -> str:
        return f"archive:{self.store.folder_at(self.archive, folder).id}"

    def delete(self, item: str) -> None:
        self.store.delete_item(self.archive, item.removeprefix("archive:"), hard=True)

    def payload(self, item: str) -> bytes:
        return self.store.payload(self.archive, item.removeprefix("archive:"))

    def tree(self, source: GraphSource) -> dict[str, str]:
        """Folder id → name."""
        pages = source.hierarchy(self.reference, None)
        return {folder.id: folder.name for page in pages for folder in page.folders}


@pytest.fixture(params=PROFILES)
def any_archive(world: World, request: pytest.FixtureRequest) -> Archived:
    return Archived(world, request.param)


@pytest.fixture
def archived(world: World) -> Archived:
    return Archived(world, ArchiveProfile.OBSERVED)


def test_discovery_tells_of_an_archive_with_its_mailbox(archived: Archived, source: GraphSource):
    other = archived.world.sandbox.add_mailbox("without.archive@acme.example")
    found = {mailbox.id: mailbox for mailbox in source.discover()}
    assert found[archived.world.mailbox].archive == archived.archive
    assert found[other.mailbox].archive == ""
    assert archived.archive not in found


def test_who_has_an_archive_takes_two_requests_for_a_mailbox(
    archived: Archived, source: GraphSource
):
    for number in range(8):
        archived.world.sandbox.add_mailbox(f"counted{number}.{archived.world.address}")
    mailboxes = len(list(source.discover()))
    # Besides the list of users: four are asked for at once before the first has answered.
    users = archived.store.users(archived.store.directory("acme.example").id)
    assert source.requests <= 1 + mailboxes * 2 + 4 + len(users) - mailboxes


def test_when_beta_does_not_answer_it_is_not_known_whether_there_is_an_archive(
    archived: Archived, source: GraphSource
):
    archived.world.sandbox.faults.add(Fault(Kind.STATUS, "/beta/", status=403, times=1000))
    found = {mailbox.id: mailbox for mailbox in source.discover()}
    assert found[archived.world.mailbox].archive is None


def test_an_archive_is_a_tree_below_a_folder_of_its_own(any_archive: Archived, source: GraphSource):
    archived = any_archive
    below = archived.place("Old/Older")
    found = {
        folder.id: folder
        for page in source.hierarchy(archived.reference, None)
        for folder in page.folders
    }
    top = found["archive:"]
    assert (top.parent_id, top.well_known) == (None, "archivemsgfolderroot")
    assert found[archived.folder].parent_id == "archive:"
    assert found[below].parent_id == archived.folder
    assert found[archived.world.inbox()].well_known == "inbox"
    deletions = [one for one in found.values() if one.name == "Deletions"]
    above = {found[one.parent_id].well_known for one in deletions if one.parent_id in found}
    assert above == {"archiverecoverableitemsroot"}
    assert {one.well_known for one in deletions} == {"recoverableitemsdeletions", None}
    assert everything(source, archived.reference, "archive:")[0] == {}


def test_a_later_round_lists_only_folders_that_changed_in_either(
    any_archive: Archived, source: GraphSource
):
    archived = any_archive
    *_, last = source.hierarchy(archived.reference, None)
    new, gone = archived.place("New"), archived.place("Gone")
    *_, last = source.hierarchy(archived.reference, last.cursor)
    assert last.complete
    archived.store.remove_folder(archived.archive, gone.removeprefix("archive:"))
    archived.world.sandbox.store.folder_at(archived.world.mailbox, "Mine")
    pages = list(source.hierarchy(archived.reference, last.cursor))
    assert [folder.name for page in pages for folder in page.folders] == ["Mine"]
    assert [one for page in pages for one in page.removed] == [gone]
    below = archived.place("New/Below")
    pages = list(source.hierarchy(archived.reference, pages[-1].cursor))
    listed = {folder.id: folder for page in pages for folder in page.folders}
    assert listed[below].parent_id == new


def test_items_of_an_archive_are_listed_and_exported(any_archive: Archived, source: GraphSource):
    archived = any_archive
    changes, _ = everything(source, archived.reference, archived.folder)
    assert list(changes) == archived.old
    assert all(change.change_key and change.size for change in changes.values())
    (mine,) = archived.world.add_mail()
    items = exported(source, archived.reference, [*changes.values(), ItemChange(mine)])
    expected = {item: archived.payload(item) for item in archived.old}
    assert {item.id: item.payload for item in items.values()} == {
        **expected,
        mine: archived.world.payload(mine),
    }


def test_what_comes_and_changes_and_goes_between_rounds_is_told(
    any_archive: Archived, source: GraphSource
):
    archived = any_archive
    first, second, _ = archived.old
    _, cursor = everything(source, archived.reference, archived.folder)
    changes, cursor = everything(source, archived.reference, archived.folder, cursor)
    assert changes == {}
    (new,) = archived.add("Old")
    archived.delete(first)
    kept = archived.store.item(archived.archive, second.removeprefix("archive:"))
    archived.store.replace_item(
        archived.archive, kept.id, kept.change_key, _same(archived, kept.id)
    )
    changes, cursor = everything(source, archived.reference, archived.folder, cursor)
    again, cursor = everything(source, archived.reference, archived.folder, cursor)
    assert {item for item, change in changes.items() if not change.removed} == {new, second}
    # Without delta an item is removed when a second listing leaves it out, too.
    gone = {item for item, change in (changes | again).items() if change.removed}
    assert gone == {first}
    assert everything(source, archived.reference, archived.folder, cursor)[0] == {}


def _same(archived: Archived, item: str):
    from sandbox.items import from_stream

    return from_stream(archived.store.payload(archived.archive, item))


def test_a_folder_without_delta_is_read_page_by_page_and_goes_on_from_any(
    archived: Archived, source: GraphSource, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("backups.sources.graph.archive._PAGE", {"Prefer": "odata.maxpagesize=2"})
    pages = list(source.changes(archived.reference, archived.folder, None))
    assert [len(page.changes) for page in pages] == [2, 1]
    assert [page.complete for page in pages] == [False, True]
    other = archived.world.connect()
    rest, cursor = everything(other, archived.reference, archived.folder, pages[0].cursor)
    assert list(rest) == archived.old[2:]
    assert everything(other, archived.reference, archived.folder, cursor)[0] == {}


def test_an_item_that_a_listing_skips_once_is_not_taken_for_removed(
    archived: Archived, source: GraphSource, monkeypatch: pytest.MonkeyPatch
):
    _, cursor = everything(source, archived.reference, archived.folder)
    original = archived.store.items
    skipped = archived.old[1].removeprefix("archive:")
    store = type(archived.store)

    def short(self: object, *args: object, **options: object) -> list:
        return [item for item in original(*args, **options) if item.id != skipped]

    with monkeypatch.context() as patch:
        patch.setattr(store, "items", short)
        for _ in range(3):
            # The folder says that it holds one more than was listed.
            changes, cursor = everything(source, archived.reference, archived.folder, cursor)
            assert changes == {}
    assert everything(source, archived.reference, archived.folder, cursor)[0] == {}


def test_what_delta_can_do_is_tried_once_for_an_archive(archived: Archived, source: GraphSource):
    everything(source, archived.reference, archived.folder)
    before = source.requests
    everything(source, archived.reference, archived.place("Deleted Items"))
    assert source.requests == before + 1


def test_delta_that_breaks_later_is_a_new_start_and_removes_nothing(
    world: World, source: GraphSource
):
    archived = Archived(world, ArchiveProfile.BETA)
    _, cursor = everything(source, archived.reference, archived.folder)
    archived.delete(archived.old[0])
    archived.store.set_archive_profile(archived.archive, ArchiveProfile.OBSERVED)
    with pytest.raises(CursorExpired):
        everything(source, archived.reference, archived.folder, cursor)
    changes, cursor = everything(source, archived.reference, archived.folder)
    assert not any(change.removed for change in changes.values())
    assert list(changes) == archived.old[1:]
    assert everything(source, archived.reference, archived.folder, cursor)[0] == {}


def test_a_folder_listing_without_delta_still_tells_what_is_gone(world: World, source: GraphSource):
    archived = Archived(world, ArchiveProfile.BETA)
    gone = archived.place("Gone")
    broken = f"{archived.archive}/folders/delta"
    world.sandbox.faults.add(Fault(Kind.TRUNCATED, broken, times=1000))
    *_, last = source.hierarchy(archived.reference, None)
    assert gone in archived.tree(source)
    archived.store.remove_folder(archived.archive, gone.removeprefix("archive:"))
    pages = list(source.hierarchy(archived.reference, last.cursor))
    assert [one for page in pages for one in page.removed] == [gone]


def test_an_archive_that_no_version_lists_is_a_warning_and_holds_up_nothing(
    archived: Archived, source: GraphSource
):
    *_, before = source.hierarchy(archived.reference, None)
    fault = Fault(Kind.STATUS, archived.archive, status=403, times=1000)
    archived.world.sandbox.faults.add(fault)
    *_, last = archived.world.connect().hierarchy(archived.reference, None)
    assert last.complete
    assert "archive" in last.warning
    *_, last = source.hierarchy(archived.reference, before.cursor)
    assert last.warning
    (page,) = source.changes(archived.reference, archived.folder, None)
    assert (page.changes, page.complete) == ((), True)
    assert "archive" in page.warning
    archived.world.sandbox.faults.clear()
    # What was known before it is known still, and the folder starts where it would have.
    archived.place("New")
    pages = list(source.hierarchy(archived.reference, last.cursor))
    assert [folder.name for page in pages for folder in page.folders] == ["New"]
    listed, _ = everything(source, archived.reference, archived.folder, page.cursor)
    assert list(listed) == archived.old


def test_an_archive_that_is_only_busy_is_no_warning_but_tried_again(
    archived: Archived, source: GraphSource
):
    fault = Fault(Kind.STATUS, archived.archive, status=429, retry_after=900, times=1000)
    archived.world.sandbox.faults.add(fault)
    with pytest.raises(Throttled):
        archived.tree(source)
    archived.world.sandbox.faults.clear()
    archived.world.clock += 1000
    archived.world.sandbox.faults.add(Fault(Kind.STATUS, archived.archive, status=500, times=1000))
    with pytest.raises(Retry):
        archived.tree(source)


def test_a_folder_in_an_auxiliary_mailbox_is_followed_there(
    any_archive: Archived, source: GraphSource
):
    archived = any_archive
    archived.world.sandbox.expand_archive(archived.world.address, "Old")
    near = archived.add("Near", 2)
    changes, cursor = everything(source, archived.reference, archived.folder)
    assert list(changes) == archived.old
    beside, _ = everything(source, archived.reference, archived.place("Near"))
    assert list(beside) == near
    items = exported(source, archived.reference, [*changes.values(), *beside.values()])
    assert {item.id: item.payload for item in items.values()} == {
        item: archived.payload(item) for item in archived.old + near
    }
    (new,) = archived.add("Old")
    changes, _ = everything(source, archived.reference, archived.folder, cursor)
    assert list(changes) == [new]


def test_a_redirect_to_another_host_gets_no_token(
    archived: Archived, source: GraphSource, monkeypatch: pytest.MonkeyPatch
):
    from sandbox.graph import places

    archived.world.sandbox.expand_archive(archived.world.address, "Old")
    original = places.HttpError

    def elsewhere(status: int, code: str, message: str, headers: dict | None = None) -> Exception:
        return original(status, code, message, headers and {"Location": "https://evil.example/x"})

    monkeypatch.setattr(places, "HttpError", elsewhere)
    with pytest.raises(Unavailable, match=r"evil\.example"):
        everything(source, archived.reference, archived.folder)


def test_a_redirect_that_leads_round_and_round_is_given_up(
    archived: Archived, source: GraphSource, monkeypatch: pytest.MonkeyPatch
):
    from sandbox.graph import places

    original = places.HttpError

    def again(call: object) -> None:
        where = f"{call.request.base_url}{call.request.target}"
        raise original(308, "", "", {"Location": where})

    monkeypatch.setattr("sandbox.graph.mailboxes.folder_of", again)
    with pytest.raises(Unavailable, match="round"):
        everything(source, archived.reference, archived.folder)


def test_an_archive_that_is_gone_is_gone_and_no_other_error(
    archived: Archived, source: GraphSource
):
    *_, last = source.hierarchy(archived.reference, None)
    archived.store.disable_archive(archived.world.mailbox)
    mailbox = archived.world.mailbox
    with pytest.raises(Gone):
        everything(source, mailbox, archived.folder)
    (item,) = exported(source, mailbox, [ItemChange(archived.old[0])]).values()
    assert isinstance(item.error, Gone)
    (page,) = source.hierarchy(mailbox, last.cursor)
    assert page.complete
    assert page.removed == ()


def test_an_archive_that_comes_later_is_listed_from_the_next_round_on(
    world: World, source: GraphSource
):
    (page,) = source.hierarchy(world.mailbox, None)
    archived = Archived(world, ArchiveProfile.OBSERVED)
    pages = list(source.hierarchy(archived.reference, page.cursor))
    assert archived.folder in {folder.id for page in pages for folder in page.folders}
    assert world.inbox() not in {folder.id for page in pages for folder in page.folders}


def test_an_archive_that_takes_items_gets_them_where_it_keeps_the_folder(
    world: World, source: GraphSource
):
    archived = Archived(world, ArchiveProfile.DOCUMENTED)
    payload = archived.payload(archived.old[0])
    archived.tree(source)
    made = source.create_folder(archived.reference, "archive:", "Restored", "IPF.Note")
    assert made.id == archived.place("Restored")
    for folder in (made.id, archived.folder):
        created = source.create(archived.reference, folder, payload)
        assert created.id.startswith("archive:")
        assert archived.payload(created.id)
    archived.world.sandbox.expand_archive(world.address, "Old")
    created = source.create(archived.reference, archived.folder, payload)
    assert archived.store.item(archived.archive, created.id.removeprefix("archive:"))
    message_id = archived.store.item(archived.archive, created.id.removeprefix("archive:"))
    twins = source.matching(archived.reference, archived.folder, message_id.message_id)
    assert created in twins


def test_an_archive_that_takes_no_items_says_where_to_restore_to(
    archived: Archived, source: GraphSource
):
    with pytest.raises(Refused, match="mailbox itself"):
        source.create(archived.reference, archived.folder, archived.payload(archived.old[0]))
    with pytest.raises(Refused):
        source.create(archived.reference, "archive:", b"stream")


def test_an_item_of_an_archive_is_deleted_in_its_folder(archived: Archived, source: GraphSource):
    archived.tree(source)
    with pytest.raises(Refused):
        source.delete(archived.reference, archived.old[0])
    source.delete(archived.reference, archived.old[0], archived.folder)
    changes, _ = everything(source, archived.reference, archived.folder)
    assert list(changes) == archived.old[1:]


def test_a_mailbox_without_an_archive_asks_for_none(world: World, source: GraphSource):
    assert folders(source, world.mailbox)
    assert source.requests == 1

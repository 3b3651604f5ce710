"""The chain of commits: order, gaps, forgeries, and who may fill a number."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from datetime import datetime

import pytest

from backups.repository import (
    ChainBroken,
    Commit,
    CommitExists,
    CommitKind,
    Damaged,
    FaultRecord,
    FolderBackend,
    NotFound,
    Repository,
    Unavailable,
    Vault,
)
from backups.repository.check import check

from .world import ACME, ANNA, BEN, INBOX, MORNING, ROOT, RUN, World, raw, read_all


def commit_path(world: World, sequence: int) -> str:
    return f"tenants/{ACME}/commits/{ANNA}/{sequence:010d}"


def test_a_commit_comes_back_as_it_was_written(world: World) -> None:
    commit = dataclasses.replace(
        world.next_commit(ANNA, {"mail": raw(b"text")}),
        faults=[FaultRecord(INBOX.id, "broken", "the server can't export it", 3)],
        coverage={"folders": 2, "archive": "not licensed"},
    )
    written = world.vault.write_commit(commit)
    stored = world.reopened().read_commit(ANNA, 1)
    assert stored is not None
    assert stored.commit == commit
    assert stored.hash == written
    assert world.vault.read_commit(ANNA, 2) is None


def test_state_replays_additions_changes_and_removals(filled: World) -> None:
    state = filled.reopened().state(ANNA)
    assert set(state.items) == {"report", "late"}
    assert state.folders == {ROOT.id: ROOT, INBOX.id: INBOX}
    assert state.cursors == {f"items:{INBOX.id}": "cursor-2"}
    assert state.sequence == 2
    assert state.taken_at is not None
    assert state.taken_at > MORNING


def test_a_removed_folder_and_a_dropped_cursor_are_gone(filled: World) -> None:
    commit = dataclasses.replace(
        filled.next_commit(ANNA),
        removed_folders=[INBOX.id],
        cursors={f"items:{INBOX.id}": None, "hierarchy": "h"},
    )
    filled.vault.write_commit(commit)
    state = filled.vault.state(ANNA)
    assert set(state.folders) == {ROOT.id}
    assert state.cursors == {"hierarchy": "h"}


def test_what_one_commit_removes_and_names_again_is_there(filled: World) -> None:
    commit = filled.next_commit(ANNA, {"late": raw(b"moved")}, removed=["late"])
    filled.vault.write_commit(commit)
    assert read_all(filled.vault, ANNA)["late"] == b"moved"


def test_a_number_is_filled_once(filled: World) -> None:
    ours = filled.next_commit(ANNA)
    theirs = filled.next_commit(ANNA)
    filled.vault.write_commit(theirs)
    with pytest.raises(CommitExists) as refused:
        filled.vault.write_commit(ours)
    assert (refused.value.mailbox, refused.value.sequence) == (ANNA, 3)


def test_a_writer_that_was_given_up_can_not_commit_after_the_void(filled: World) -> None:
    late = filled.next_commit(ANNA, {"ghost": raw(b"boo")})
    filled.back_up(ANNA, kind=CommitKind.VOID)
    with pytest.raises(CommitExists):
        filled.vault.write_commit(late)
    filled.back_up(ANNA, {"next": raw(b"life goes on")})
    state = filled.vault.state(ANNA)
    assert set(state.items) == {"report", "late", "next"}
    assert state.sequence == 4


def test_a_void_commit_changes_nothing_even_if_it_claims_to(filled: World) -> None:
    before = filled.vault.state(ANNA).items
    filled.back_up(ANNA, {"ghost": raw(b"boo")}, kind=CommitKind.VOID, removed=["late"])
    assert filled.vault.state(ANNA).items == before


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"previous": bytes(32)}, "not the hash of commit 2"),
        ({"sequence": 5}, "no commit 4 before it"),
    ],
)
def test_a_commit_that_does_not_follow_is_not_written(
    filled: World, changes: dict[str, bytes], says: str
) -> None:
    commit = dataclasses.replace(filled.next_commit(ANNA), **changes)
    with pytest.raises(ChainBroken, match=says):
        filled.vault.write_commit(commit)
    assert filled.vault.sequences(ANNA) == [1, 2]


@pytest.mark.parametrize("changes", [{"sequence": 0}, {"previous": b"short"}])
def test_a_commit_without_a_place_in_a_chain_is_refused(
    filled: World, changes: dict[str, bytes]
) -> None:
    commit = dataclasses.replace(filled.next_commit(ANNA), **changes)
    with pytest.raises(ValueError, match="no valid place"):
        filled.vault.write_commit(commit)


def test_a_time_without_zone_is_refused(filled: World) -> None:
    commit = dataclasses.replace(filled.next_commit(ANNA), taken_at=datetime(2026, 11, 23))
    with pytest.raises(ValueError, match="datetime"):
        filled.vault.write_commit(commit)


def test_a_gap_is_found_and_named(filled: World) -> None:
    filled.back_up(ANNA)
    filled.backend.delete(commit_path(filled, 2))
    with pytest.raises(Damaged, match=commit_path(filled, 2)):
        filled.vault.state(ANNA)
    for root in (filled.root, None):
        assert commit_path(filled, 2) in {f.object for f in check(filled.repository, root).findings}


def test_a_commit_of_another_history_breaks_the_chain(filled: World) -> None:
    """It decrypts and is well formed: only the link to the one before tells."""
    other = filled.next_commit(ANNA, {"rewritten": raw(b"history")})
    filled.back_up(ANNA, {"third": raw(b"x")})
    filled.backend.delete(commit_path(filled, 2))
    first = filled.vault.read_commit(ANNA, 1)
    assert first is not None
    filled.vault.write_commit(dataclasses.replace(other, sequence=2, previous=first.hash))
    with pytest.raises(Damaged, match=f"{commit_path(filled, 3)}: does not follow commit 2"):
        list(filled.vault.commits(ANNA))
    with pytest.raises(Damaged, match="does not follow"):
        list(filled.vault.commits(ANNA, after=2))


def test_a_commit_can_not_be_moved_to_another_number_or_mailbox(filled: World) -> None:
    content = filled.backend.get(commit_path(filled, 1))
    for place in (commit_path(filled, 3), f"tenants/{ACME}/commits/{BEN}/0000000002"):
        filled.backend.put_immutable(place, content)
        with pytest.raises(Damaged, match=place):
            filled.vault.read_commit(*((ANNA, 3) if str(ANNA) in place else (BEN, 2)))


def test_commits_after_a_number_start_behind_it(filled: World) -> None:
    assert [stored.commit.sequence for stored in filled.vault.commits(ANNA, after=1)] == [2]
    with pytest.raises(NotFound):
        list(filled.vault.commits(ANNA, after=7))


def test_state_at_a_number_that_is_not_there_is_refused(filled: World) -> None:
    with pytest.raises(NotFound, match="0000000009"):
        filled.vault.state(ANNA, 9)


class ShortListing(FolderBackend):
    """As an object store whose listing is behind."""

    def list(self, prefix: str) -> Iterator[str]:
        return (key for key in super().list(prefix) if not key.endswith("0000000002"))


class FailingListing(FolderBackend):
    def list(self, prefix: str) -> Iterator[str]:
        yield from list(super().list(prefix))[:1]
        raise Unavailable("503 while listing")


def vault_on(world: World, backend: FolderBackend) -> Vault:
    return Repository(backend, world.repository.id).vault(
        ACME, world.keys, world.mailbox_keys.__getitem__
    )


def test_a_listing_that_is_behind_hides_no_commit(filled: World) -> None:
    vault = vault_on(filled, ShortListing(filled.path))
    assert vault.state(ANNA).sequence == 2


def test_a_listing_that_fails_is_not_an_empty_one(filled: World) -> None:
    vault = vault_on(filled, FailingListing(filled.path))
    with pytest.raises(Unavailable):
        vault.state(ANNA)
    with pytest.raises(Unavailable):
        vault.pack_index()


def test_a_kill_between_packs_and_commit_leaves_a_readable_repository(filled: World) -> None:
    before = read_all(filled.vault, ANNA)
    filled.next_commit(ANNA, {"lost": raw(b"stored, but never committed")})
    vault = filled.reopened()
    assert read_all(vault, ANNA) == before
    assert check(filled.repository, filled.root).findings == []
    filled.back_up(ANNA, {"lost": raw(b"stored, but never committed")})
    assert set(read_all(filled.reopened(), ANNA)) == {*before, "lost"}


def test_sealed_records_are_bound_to_mailbox_and_context(world: World) -> None:
    sealed = world.vault.seal(ANNA, b"item 7", b"references")
    assert world.vault.unseal(ANNA, b"item 7", sealed) == b"references"
    for mailbox, bound in ((ANNA, b"item 8"), (BEN, b"item 7")):
        with pytest.raises(Damaged):
            world.vault.unseal(mailbox, bound, sealed)


def test_a_commit_of_a_newer_version_is_not_guessed_at(world: World) -> None:
    commit = Commit(ANNA, 1, CommitKind.COMPLETE, bytes(32), RUN, MORNING)
    world.vault.write_commit(commit)
    path = world.path / commit_path(world, 1)
    content = bytearray(path.read_bytes())
    content[4] = 2
    path.write_bytes(content)
    with pytest.raises(Exception, match="version 2, this version reads 1"):
        world.vault.read_commit(ANNA, 1)

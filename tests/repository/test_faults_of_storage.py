"""Storage that does not answer, lists too little or breaks off: never less mail, never a lie."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from backups.repository import FolderBackend, Repository, RepositoryError, Unavailable, Vault
from backups.repository.check import check

from .faulty import FaultyBackend, breaking_off_after, without_the_last
from .survivor import Promised, require_kept, survivor_of
from .world import ACME, ANNA, BEN, World, read_all


def behind(world: World) -> FaultyBackend:
    """Puts a faulty backend before the world's own."""
    faulty = FaultyBackend(FolderBackend(world.path))
    world.repository = Repository(faulty, world.repository.id)
    world.vault = world.repository.vault(ACME, world.keys, world.mailbox_keys.__getitem__)
    return faulty


@pytest.fixture
def whole(world: World) -> World:
    Promised().back_up(world)
    return world


@pytest.mark.parametrize("done_before", [False, True], ids=["not done", "only the answer is lost"])
def test_a_call_without_an_answer_anywhere_in_a_backup_breaks_no_promise(
    tmp_path: Path, done_before: bool
) -> None:
    for call in range(200):
        world = World(tmp_path / f"{call}")
        faulty = behind(world)
        faulty.fail_at, faulty.done_before = call, done_before
        promised = Promised()
        try:
            promised.back_up(world)
        except Unavailable as error:
            assert faulty.calls[-1] in str(error)
        require_kept(survivor_of(world, world.path), promised)
        if len(faulty.calls) <= call:
            assert promised.steps == 3
            assert call > 12
            return
    pytest.fail("the backup never came to its end")


READERS: dict[str, Callable[[Repository, Vault, World], object]] = {
    "tenants": lambda repository, vault, world: repository.tenants(),
    "mailboxes": lambda repository, vault, world: vault.mailboxes(),
    "packs": lambda repository, vault, world: sorted(vault.pack_index()),
    "points": lambda repository, vault, world: [c.commit for c in vault.commits(ANNA)],
    "items": lambda repository, vault, world: [read_all(vault, of) for of in (ANNA, BEN)],
    "check": lambda repository, vault, world: check(repository, world.root),
    "keys": lambda repository, vault, world: repository.escrowed_vault(
        ACME, world.root
    ).mailboxes(),
}


@pytest.mark.parametrize("reader", READERS)
def test_a_listing_that_breaks_off_is_never_a_shorter_answer(whole: World, reader: str) -> None:
    read = READERS[reader]
    expected = read(whole.repository, whole.vault, whole)
    faulty = behind(whole)
    broken = 0
    for most in range(50):
        faulty.listing = breaking_off_after(most)
        try:
            found = read(whole.repository, whole.vault, whole)
        except Unavailable as error:
            broken += 1
            assert "breaks off" in str(error)
        else:
            assert found == expected
            break
    assert broken == most > 0


@pytest.mark.parametrize("reader", READERS)
def test_an_unanswered_call_is_never_a_shorter_answer(whole: World, reader: str) -> None:
    read = READERS[reader]
    expected = read(whole.repository, whole.vault, whole)
    unanswered = 0
    for call in range(300):
        faulty = behind(whole)
        faulty.fail_at = call
        try:
            assert read(whole.repository, whole.vault, whole) == expected
        except Unavailable:
            unanswered += 1
        if len(faulty.calls) <= call:
            break
    assert unanswered == call > 0


def test_a_listing_that_lags_behind_hides_no_commit_and_no_item(whole: World) -> None:
    """A pack that is not listed can be missed, but then its items are errors and not absent."""
    expected = {mailbox: read_all(whole.vault, mailbox) for mailbox in (ANNA, BEN)}
    faulty = behind(whole)
    refused = 0
    for missing in range(1, 12):
        faulty.listing = without_the_last(missing)
        for mailbox in (ANNA, BEN):
            numbers = [stored.commit.sequence for stored in whole.vault.commits(mailbox)]
            assert numbers == ([1, 2] if mailbox == ANNA else [1])
            assert sorted(whole.vault.state(mailbox).items) == sorted(expected[mailbox])
            try:
                assert read_all(whole.vault, mailbox) == expected[mailbox]
            except RepositoryError:
                refused += 1
    assert refused

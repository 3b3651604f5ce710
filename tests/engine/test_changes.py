"""What changes between runs is followed: folders and items renamed, moved, changed, deleted."""

from __future__ import annotations

import pytest

from backups.catalog.models import ItemVersion
from backups.engine import group
from backups.sessions.models import State
from backups.sources import Damaged, Gone
from tenants.isolation.scope import tenant_scope
from tests.engine.script import Script, change, folder, removed
from tests.engine.world import MARA, World

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "operator", "owner"])


def places(world: World) -> dict[str, tuple[str, str]]:
    """Item id → (folder, change key), the same in catalog and repository."""
    with tenant_scope(world.id):
        rows = ItemVersion.objects.current().filter(backup__mailbox__address=MARA)
        catalog = {row.item_id: (row.folder_id, row.change_key) for row in rows}
    stored = world.stored().items.values()
    assert {item.item_id: (item.folder_id, item.change_key) for item in stored} == catalog
    return catalog


def play(world: World, monkeypatch: pytest.MonkeyPatch, script: Script) -> Script:
    session_before = script.install(monkeypatch)
    session = world.run_job()
    assert session.state in (State.SUCCESS, State.WARNING), world.log(session)
    return session_before


@pytest.fixture(params=[False, True], ids=["one commit", "a commit at every step"])
def often(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param:
        monkeypatch.setattr(group, "MAX_ITEMS", 1)


def test_folders_renamed_moved_and_deleted_are_followed_without_a_new_export(
    world: World,
) -> None:
    world.add("Projects/Old", "kept", "lost")
    world.run_job()
    store, mailbox = world.sandbox.store, world.source_mailbox()
    with store.database.write() as db:
        from sandbox.database import log

        old = store.folder_at(mailbox, "Projects/Old")
        inbox = store.folder(mailbox, "inbox")
        db.execute("UPDATE folders SET name = 'New', parent = ? WHERE id = ?", (inbox.id, old.id))
        log(db, f"folders:{mailbox}", old.id)
    session = world.run_job()
    assert (session.items_new, session.items_removed) == (0, 0)
    moved = world.stored().folders[old.id]
    assert (moved.name, moved.parent_id) == ("New", inbox.id)
    world.verify()

    store.remove_folder(mailbox, old.id)
    session = world.run_job()
    assert (session.state, session.items_removed) == (State.SUCCESS, 2)
    assert old.id not in world.stored().folders
    world.verify()


def test_a_folder_that_vanishes_while_it_is_to_be_read_takes_its_items_along(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    inbox, other = folder("inbox"), folder("other")
    play(
        world,
        monkeypatch,
        Script([[inbox, other]], changes={"inbox": [[change("a")]], "other": [[change("b")]]}),
    )
    play(world, monkeypatch, Script([[inbox]], changes={"other": Gone("not found")}))
    assert places(world) == {"a": ("inbox", "1")}
    assert set(world.stored().folders) == {"inbox"}


def test_a_listed_folder_that_cannot_be_found_keeps_its_items_and_warns(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = Script([[folder("inbox")]], changes={"inbox": [[change("a")]]})
    play(world, monkeypatch, script)
    Script([[folder("inbox")]], changes={"inbox": Gone("not found")}).install(monkeypatch)
    session = world.run_job()
    assert session.state == State.WARNING
    assert any("Folder inbox is listed" in line for line in world.log(session))
    assert places(world) == {"a": ("inbox", "1")}


@pytest.mark.parametrize("order", [["from", "to"], ["to", "from"]])
def test_an_item_moved_under_its_id_is_kept_whichever_folder_is_listed_first(
    world: World, monkeypatch: pytest.MonkeyPatch, often: None, order: list[str]
) -> None:
    folders = [[folder(name) for name in order]]
    play(world, monkeypatch, Script(folders, changes={"from": [[change("a"), change("b")]]}))
    play(
        world,
        monkeypatch,
        Script(changes={"from": [[removed("a")]], "to": [[change("a", "2")]]}),
    )
    assert places(world) == {"a": ("to", "2"), "b": ("from", "1")}


def test_an_item_that_leaves_and_comes_back_in_one_round_is_kept(
    world: World, monkeypatch: pytest.MonkeyPatch, often: None
) -> None:
    play(world, monkeypatch, Script([[folder("inbox")]], changes={"inbox": [[change("a")]]}))
    play(world, monkeypatch, Script(changes={"inbox": [[removed("a")], [change("a")]]}))
    assert places(world) == {"a": ("inbox", "1")}


def test_of_two_entries_for_one_item_the_last_counts(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    pages = [[change("a", "1"), change("a", "2"), change("b"), removed("b"), change("c")]]
    script = play(world, monkeypatch, Script([[folder("inbox")]], changes={"inbox": pages}))
    assert places(world) == {"a": ("inbox", "2"), "c": ("inbox", "1")}
    assert sorted(script.exported) == ["a", "a", "c", "c"], "once for each of the two mailboxes"


def test_an_item_changed_twice_within_a_run_is_stored_in_its_last_version(
    world: World, monkeypatch: pytest.MonkeyPatch, often: None
) -> None:
    pages = [[change("a", "1")], [change("a", "2")], [change("a", "3")]]
    play(world, monkeypatch, Script([[folder("inbox")]], changes={"inbox": pages}))
    assert places(world) == {"a": ("inbox", "3")}
    with tenant_scope(world.id):
        open_rows = ItemVersion.objects.filter(backup__mailbox__address=MARA, last=None)
        assert open_rows.count() == 1


def test_a_folder_removed_and_listed_again_is_read_from_its_beginning(
    world: World, monkeypatch: pytest.MonkeyPatch, often: None
) -> None:
    first = Script([[folder("inbox")]], changes={"inbox": [[change("a")]]})
    play(world, monkeypatch, first)
    play(
        world,
        monkeypatch,
        Script(
            [[], [folder("inbox")]],
            removed_folders=["inbox"],
            changes={"inbox": [[change("a"), change("b")]]},
        ),
    )
    assert places(world) == {"a": ("inbox", "1"), "b": ("inbox", "1")}


def test_an_item_moved_out_of_a_deleted_folder_survives_it(
    world: World, monkeypatch: pytest.MonkeyPatch, often: None
) -> None:
    start = Script([[folder("old"), folder("new")]], changes={"old": [[change("a"), change("b")]]})
    play(world, monkeypatch, start)
    play(
        world,
        monkeypatch,
        Script(removed_folders=["old"], changes={"new": [[change("a", "2")]]}),
    )
    assert places(world) == {"a": ("new", "2")}


def test_a_fault_in_the_new_folder_outlives_the_removal_from_the_old_one(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = [[folder("to"), folder("from")]]
    play(world, monkeypatch, Script(folders, changes={"from": [[change("a")]]}))
    moved = {"from": [[removed("a")]], "to": [[change("a", "2")]]}
    play(world, monkeypatch, Script(changes=moved, broken={"a": Damaged("broken")}))
    assert world.faults() == {"a": "broken"}
    play(world, monkeypatch, Script())
    assert world.faults() == {}
    assert places(world)["a"][0] == "to"


def test_a_name_that_no_database_holds_does_not_stop_a_mailbox(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    nasty = folder("inbox", "a\x00b\ud800" + "x" * 2000)
    play(world, monkeypatch, Script([[nasty]], changes={"inbox": [[change("a")]]}))
    assert places(world) == {"a": ("inbox", "1")}

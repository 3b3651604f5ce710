"""Everything goes wrong at once, for days; then it is over, and nothing of it is left.

The scripts are those that `serve --faults` takes. Which request runs into what depends on how
threads take turns: what must hold here holds for any order.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection
from pathlib import Path

import pytest

import sandbox
from backups.catalog.models import ItemVersion
from backups.infrastructure.services import allocate, create_repository, default_proxy
from backups.jobs.services import create_job
from backups.organizations.models import Organization
from backups.sessions.models import Session, State
from backups.streams import normalised_digest
from sandbox.faults import Fault, Kind
from tenants.isolation.scope import tenant_scope
from tests.engine.on_server import moved_to_server
from tests.engine.test_restore import restore
from tests.engine.world import JUN, MARA, World

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "operator", "owner"])

SCRIPTS = Path(sandbox.__file__).parent / "scripts"
BAD = "<bad@example.net>"
DAYS = 6


@pytest.fixture
def server(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """Acme, with its mailboxes on a server of its own."""
    return moved_to_server(world, monkeypatch)


def begin(world: World, script: str) -> None:
    """Mail in several folders, one item that no server can read, and the script."""
    world.add("Inbox", *(f"inbox-{number}" for number in range(70)), "bad")
    world.add("Inbox/Projects", *(f"plan-{number}" for number in range(30)))
    world.add("Archive", *(f"old-{number}" for number in range(10)))
    world.add("Inbox", *(f"jun-more-{number}" for number in range(30)), address=JUN)
    world.sandbox.faults.load((SCRIPTS / f"{script}.json").read_text(encoding="utf-8"))
    world.sandbox.faults.add(Fault(Kind.DAMAGED_ITEM, item=BAD, times=1000))


def edit(world: World, day: int) -> None:
    """What people do in their mailboxes between two sessions."""
    store, mailbox = world.sandbox.store, world.source_mailbox()
    inbox = store.folder(mailbox, "inbox").id
    there = [item for item in store.items(inbox) if item.message_id != BAD]
    store.delete_item(mailbox, there[0].id, hard=True)
    store.delete_item(mailbox, there[1].id)
    projects = next(one.id for one in store.folders(mailbox) if one.name == "Projects")
    store.move_item(mailbox, there[2].id, projects)
    world.add("Inbox", *(f"day-{day}-{number}" for number in range(12)))
    world.add(f"Inbox/Day {day}", f"day-{day}-filed", address=JUN)


def stored(world: World, address: str) -> dict[str, tuple[str, str, bytes]]:
    """Item id → change key, folder and hash, as the repository alone tells it."""
    items = world.stored(address).items.values()
    return {item.item_id: (item.change_key, item.folder_id, item.sha256) for item in items}


def run_without_faults(world: World) -> World:
    """The same mailboxes by another job into another repository, on a day like any other."""
    repository = create_repository(
        proxy=default_proxy(),
        name="Reference",
        location=Path(world.repository.location).with_name("reference"),
    )
    allocation = allocate(tenant=world.tenant, repository=repository, name="Reference")
    with tenant_scope(world.id):
        job = create_job(
            name="Reference", organization=Organization.objects.get(), allocation=allocation
        )
    other = World(world.sandbox, world.tenant, job, repository, world.queue)
    session = other.run_job()
    assert session.state == State.SUCCESS, other.log(session)
    return other


def assert_nothing_there_is_called_removed(world: World, address: str) -> None:
    """Versions that ended are of items that the mailbox does not hold (any more)."""
    there = world.sandbox_payloads(address).keys()
    with tenant_scope(world.id):
        rows = ItemVersion.objects.filter(backup__mailbox__address=address)
        known = set(rows.values_list("item_id", flat=True))
        current = Counter(rows.current().values_list("item_id", flat=True))
    assert not (known & there) - current.keys()
    assert set(current.values()) <= {1}


def live_through(world: World) -> list[Session]:
    sessions = []
    for day in range(DAYS):
        sessions.append(world.run_job())
        for address in (MARA, JUN):
            assert_nothing_there_is_called_removed(world, address)
        edit(world, day)
    return sessions


def told(world: World, sessions: list[Session]) -> str:
    lines = [line for session in sessions for line in world.log(session)]
    return "\n".join(lines + [session.reason for session in sessions])


GRAPH_SAYS = (
    "AADSTS700024",
    "needs MailboxFolder.Read.All",
    "The mailbox is not in the organization any more|is listed, but the server did not find it",
    "It is tried again in 600 s",
    "forgot the folder list's token",
    "forgot the token of folder",
    "damaged stream",
)
SERVER_SAYS = (
    "needs the management role ApplicationImpersonation",
    "ErrorMailboxMoveInProgress",
    "It is tried again in 600 s",
    "forgot the folder list's token",
    "forgot the token of folder",
    "damaged stream",
)


def survives(world: World, script: str, says: Collection[str]) -> None:
    begin(world, script)
    sessions = live_through(world)
    said = told(world, sessions)
    for words in says:
        assert re.search(words, said), f"{words} is not in\n{said}"
    assert sum(session.throttled_seconds for session in sessions) > 0
    struck = {fault.kind for fault, _ in world.sandbox.faults.struck}
    assert {Kind.EXPIRED_STATE, Kind.TRUNCATED, Kind.VANISHED_ITEM} <= struck

    world.sandbox.faults.clear()
    session = world.run_job()
    assert session.state == State.SUCCESS, world.log(session)
    assert world.faults() == {}


def test_graph_on_its_worst_days_ends_as_on_any_other(world: World) -> None:
    survives(world, "graph", GRAPH_SAYS)
    assert "bad" in world.current()
    world.verify()
    reference = run_without_faults(world)
    for address in (MARA, JUN):
        assert stored(world, address) == stored(reference, address)


def test_a_server_on_its_worst_days_ends_as_on_any_other(server: World) -> None:
    survives(server, "ews", SERVER_SAYS)
    assert "bad" in server.current()
    reference = run_without_faults(server)
    for address in (MARA, JUN):
        assert stored(server, address) == stored(reference, address)
        payloads = sorted(server.payloads(address).values())
        assert payloads == sorted(server.sandbox_payloads(address).values())


def brings_back(world: World, script: str) -> None:
    """Restore a whole mailbox while everything goes wrong, then what is still missing."""
    world.add("Inbox/Projects", *(f"plan-{number}" for number in range(30)))
    world.run_job()
    versions = list(world.current().values())
    store, mailbox = world.sandbox.store, world.source_mailbox()
    for item in world.sandbox_payloads():
        store.delete_item(mailbox, item, hard=True)

    world.sandbox.faults.load((SCRIPTS / f"{script}.json").read_text(encoding="utf-8"))
    for _ in range(3):
        restore(world, versions)
    world.sandbox.faults.clear()
    session = restore(world, versions)

    assert session.state == State.SUCCESS, world.log(session)
    there = Counter(normalised_digest(one) for one in world.sandbox_payloads().values())
    assert there == Counter(bytes(version.digest) for version in versions)


def test_what_is_restored_on_the_worst_day_is_there_once(world: World) -> None:
    brings_back(world, "graph")


def test_what_is_restored_to_a_server_on_its_worst_day_is_there_once(server: World) -> None:
    brings_back(server, "ews")

"""One sandbox for all tests of the sources; each test has a mailbox of its own in it."""

import itertools
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field

import pytest

from backups.sources import (
    ExportedItem,
    GraphSettings,
    GraphSource,
    ItemChange,
    SourceFolder,
)
from backups.sources.graph import Patience
from backups.sources.pacing import Gate
from sandbox.registration import ALL_ROLES
from sandbox.testing import Sandbox
from tests.sources.exchange import Server, serve
from tests.sources.letters import mail

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as running:
        running.add_organization("acme.example", "Acme")
        yield running


@pytest.fixture(scope="session")
def settings(sandbox: Sandbox) -> GraphSettings:
    return GraphSettings(**asdict(sandbox.register("acme.example")))


@dataclass
class World:
    """A mailbox with some mail, and a source that never really sleeps."""

    sandbox: Sandbox
    settings: GraphSettings
    address: str
    mailbox: str
    waits: list[float] = field(default_factory=list)
    clock: float = 1000.0
    sources: list[GraphSource] = field(default_factory=list)

    def connect(self, *roles: str) -> GraphSource:
        """A source of this mailbox; with other roles than all, of another registration."""
        settings = self.settings
        if roles:
            settings = GraphSettings(**asdict(self.sandbox.register("acme.example", roles)))
        return self.connect_as(settings)

    def connect_as(self, settings: GraphSettings, gate: Gate | None = None) -> GraphSource:
        patience = Patience(sleep=self.sleep, now=lambda: self.clock)
        source = GraphSource(settings, patience, gate)
        self.sources.append(source)
        return source

    def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.clock += seconds

    def add_mail(self, count: int = 1, folder: str = "Inbox", body: str = "Hello") -> list[str]:
        return [
            self.sandbox.add_mail(self.address, folder, mail(next(_numbers), body)).id
            for _ in range(count)
        ]

    def inbox(self) -> str:
        return self.sandbox.store.folder(self.mailbox, "inbox").id

    def payload(self, item: str) -> bytes:
        return self.sandbox.store.payload(self.mailbox, item)

    def message_id(self, item: str) -> str:
        return self.sandbox.store.item(self.mailbox, item).message_id


@pytest.fixture
def world(sandbox: Sandbox, settings: GraphSettings) -> Iterator[World]:
    address = f"person{next(_numbers)}@acme.example"
    user = sandbox.add_mailbox(address)
    made = World(sandbox, settings, address, user.mailbox)
    yield made
    sandbox.faults.clear()
    for source in made.sources:
        source.close()
    sandbox.store.remove_user(address)


@pytest.fixture
def server(sandbox: Sandbox) -> Iterator[Server]:
    made = serve(sandbox)
    yield made
    sandbox.faults.clear()
    for one in made.sources:
        one.close()
    sandbox.store.remove_user(made.address)


@pytest.fixture
def source(world: World) -> GraphSource:
    return world.connect()


def folders(source: GraphSource, mailbox: str) -> dict[str, SourceFolder]:
    found = [f for page in source.hierarchy(mailbox, None) for f in page.folders]
    return {folder.name: folder for folder in found}


def everything(
    source: GraphSource, mailbox: str, folder: str, cursor: str | None = None
) -> tuple[dict[str, ItemChange], str]:
    """(all changes by id, the cursor of the next round)"""
    changes: dict[str, ItemChange] = {}
    for page in source.changes(mailbox, folder, cursor):
        changes |= {change.id: change for change in page.changes}
        cursor = page.cursor
    assert page.complete
    return changes, cursor


def exported(
    source: GraphSource, mailbox: str, wanted: list[ItemChange]
) -> dict[str, ExportedItem]:
    items = list(source.export(mailbox, wanted))
    assert len({item.id for item in items}) == len(items)
    return {item.id: item for item in items}


__all__ = ["ALL_ROLES", "World", "everything", "exported", "folders", "mail"]

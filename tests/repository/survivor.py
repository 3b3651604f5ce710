"""A small backup, what it promised, and whether what is left of the folder keeps the promise."""

from __future__ import annotations

import copy
import random
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from backups.parts import CutItem
from backups.repository import FolderBackend, Repository
from backups.repository.check import check

from .world import ANNA, BEN, World, content_of, raw, read_all, with_attachment

State = dict[str, bytes]

_REPORT = random.Random(2).randbytes(60_000)
STEPS: list[tuple[UUID, dict[str, CutItem], list[str]]] = [
    (
        ANNA,
        {
            "hello": raw(b"Subject: hello\r\n\r\n" + b"Dear Anna, " * 40),
            "report": with_attachment(b"Subject: report\r\n\r\nsee attachment", _REPORT),
        },
        [],
    ),
    (BEN, {"copy": with_attachment(b"Subject: fwd\r\n\r\nfor you", _REPORT)}, []),
    (ANNA, {"late": raw(random.Random(3).randbytes(70_000))}, ["hello"]),
]
"""Three commits in two mailboxes that share an attachment: mailbox, items, what is removed."""


@dataclass
class Promised:
    """How far a backup has come."""

    steps: int = 0
    """How many have returned. The next may have done its work and not said so."""

    def back_up(self, world: World, *, only_next: bool = False) -> None:
        for mailbox, items, removed in STEPS[self.steps :]:
            world.back_up(mailbox, items, removed=removed)
            self.steps += 1
            if only_next:
                return

    def expected(self) -> dict[UUID, tuple[int, list[State]]]:
        """Of each mailbox: how many points there must be, and all that there may be."""
        points: dict[UUID, list[State]] = {ANNA: [], BEN: []}
        promised = {ANNA: 0, BEN: 0}
        for number, (mailbox, items, removed) in enumerate(STEPS[: self.steps + 1]):
            state = dict(points[mailbox][-1]) if points[mailbox] else {}
            for name in removed:
                del state[name]
            state |= {name: content_of(cut) for name, cut in items.items()}
            points[mailbox].append(state)
            promised[mailbox] += number < self.steps
        return {mailbox: (promised[mailbox], points[mailbox]) for mailbox in points}


def survivor_of(world: World, path: Path) -> World:
    """The same world over another folder, knowing nothing but what that folder holds."""
    survivor = copy.copy(world)
    survivor.path = path
    survivor.backend = FolderBackend(path)
    survivor.repository = Repository.open(survivor.backend)
    survivor.vault = survivor.repository.escrowed_vault(world.vault.tenant, world.root)
    survivor.known = survivor.vault.pack_index()
    survivor.contents = {}
    return survivor


def require_kept(survivor: World, promised: Promised) -> None:
    """Every byte of every promised point is there, nothing is damaged, and the work goes on."""
    vault = survivor.vault
    states: dict[UUID, State] = {}
    for mailbox, (least, points) in promised.expected().items():
        found = [stored.commit.sequence for stored in vault.commits(mailbox)]
        assert found == list(range(1, len(found) + 1))
        assert least <= len(found) <= len(points)
        for sequence in found:
            assert read_all(vault, mailbox, sequence) == points[sequence - 1]
        states[mailbox] = points[len(found) - 1] if found else {}
    for mailbox, state in states.items():
        survivor.back_up(mailbox, {"next": raw(b"Subject: next\r\n\r\n"), "again": raw(_REPORT)})
        after = {**state, "next": b"Subject: next\r\n\r\n", "again": _REPORT}
        assert read_all(survivor.reopened(), mailbox) == after
    require_sound(survivor)


def require_sound(survivor: World) -> None:
    report = check(Repository.open(FolderBackend(survivor.path)), survivor.root)
    assert report.findings == []
    assert report.unknown == []

"""Workers that die at a write, and workers that stand still at one while others go on."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
from django.db import connections
from hypothesis import strategies as some

from backups.catalog import projection
from backups.engine import group
from backups.repository import FolderBackend, Vault
from backups.sessions import services
from tenants.isolation.scope import APP


class Killed(BaseException):
    """As kill -9: nothing of ours catches it, nothing is tidied up in the database."""


WRITES: dict[str, tuple[object, str]] = {
    "an object is created": (FolderBackend, "put_immutable"),
    "an object is deleted": (FolderBackend, "delete"),
    "packs are noted": (group, "record_packs"),
    "a commit is written": (Vault, "write_commit"),
    "a commit is projected": (projection, "apply"),
    "cursors are projected": (projection, "put_cursors"),
    "a task is ended": (services, "finish"),
}


@dataclass(frozen=True)
class Trouble:
    """``call``: the number of the call at which it happens, before or after it did its work."""

    write: str
    call: int
    before: bool


troubles = some.builds(
    Trouble,
    write=some.sampled_from(sorted(WRITES)),
    call=some.integers(1, 4),
    before=some.booleans(),
)


@contextmanager
def dying(trouble: Trouble | None) -> Iterator[list[Killed]]:
    """Whoever comes to that call of the write dies; gives who died. None: nobody does."""
    died: list[Killed] = []
    calls = 0

    def dies(original: Callable[..., object], *args: object, **more: object) -> object:
        nonlocal calls
        calls += 1
        if trouble is None or calls != trouble.call:
            return original(*args, **more)
        if not trouble.before:
            original(*args, **more)
        raise Killed

    with _wrapped(WRITES[trouble.write] if trouble else WRITES["a task is ended"], dies):
        try:
            yield died
        except Killed as killed:
            died.append(killed)


@contextmanager
def standing_still(trouble: Trouble, meanwhile: Callable[[], None]) -> Iterator[None]:
    """Whoever comes to that call stops there until ``meanwhile`` is done, and goes on.

    Only between transactions: what one holds, nobody else can have meanwhile.
    """
    calls = 0

    def waits(original: Callable[..., object], *args: object, **more: object) -> object:
        nonlocal calls
        if connections[APP].in_atomic_block:
            return original(*args, **more)
        calls += 1
        now = calls == trouble.call
        if now and trouble.before:
            _happens(meanwhile)
        result = original(*args, **more)
        if now and not trouble.before:
            _happens(meanwhile)
        return result

    with _wrapped(WRITES[trouble.write], waits):
        yield


def _happens(meanwhile: Callable[[], None]) -> None:
    """Where packs are written that is in a writer's own thread, which leaves no connection."""
    meanwhile()
    if threading.current_thread() is not threading.main_thread():
        connections.close_all()


@contextmanager
def _wrapped(where: tuple[object, str], double: Callable[..., object]) -> Iterator[None]:
    owner, name = where
    original = getattr(owner, name)

    def wrapper(*args: object, **more: object) -> object:
        return double(original, *args, **more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(owner, name, wrapper)
        yield

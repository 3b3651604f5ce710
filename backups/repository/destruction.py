"""Destroying keys, so that what they encrypt is gone even where its bytes must stay.

First a note says what is about to go, then it goes, then a second note says that it is gone and
takes the first one's place: whoever is interrupted is taken up again, and what was destroyed is
never mistaken for damage. Both are JSON in the clear (docs/repository-format.md).
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from uuid import UUID

from . import fields, layout
from .errors import AlreadyExists, Damaged, KeyDestroyed, NotFound, Unavailable
from .fields import text, text_or_none
from .key_service import service_of
from .keys import wrapping_key_id

if TYPE_CHECKING:
    from .backend import Backend

_ROUNDS = 5
"""Copies that somebody saves while others are deleted are looked for so often."""


@dataclass(frozen=True, slots=True)
class DestroyedObject:
    name: str
    sha256: str
    wrapped_by: str | None
    """Id of the key that wrapped it; None for what is no wrapped key."""


@dataclass(frozen=True, slots=True)
class Destruction:
    """The facts for a certificate."""

    tenant: UUID
    mailbox: UUID | None
    """None: all keys of the tenant."""
    request: str
    """Who asked for it, as the caller names it."""
    started_at: datetime
    finished_at: datetime | None
    objects: tuple[DestroyedObject, ...]


def destroy_mailbox_key(
    backend: Backend, tenant: UUID, mailbox: UUID, *, request: str, now: datetime
) -> Destruction:
    """Delete every wrapped copy of a mailbox's key here; again, it gives what was done.

    Raises Unavailable when a copy can't be deleted: then nothing is said to be destroyed, and it
    has to be called again.
    """

    def doomed() -> list[str]:
        keys = backend.list(layout.keys_prefix(tenant))
        places = ((key, layout.mailbox_key_of(key)) for key in keys)
        return [key for key, place in places if place is not None and place[0] == mailbox]

    begun = Destruction(tenant, mailbox, request, now, None, ())
    return _destroy(backend, begun, doomed, now)


def destroy_tenant_keys(
    backend: Backend, tenant: UUID, *, request: str, now: datetime
) -> Destruction:
    """As ``destroy_mailbox_key``, with every key, recovery copy and dictionary of the tenant."""

    def doomed() -> list[str]:
        keys = [
            key
            for key in backend.list(layout.keys_prefix(tenant))
            if layout.destruction_of(key) is None
        ]
        return keys + list(backend.list(layout.dictionaries_prefix(tenant)))

    begun = Destruction(tenant, None, request, now, None, ())
    return _destroy(backend, begun, doomed, now)


def destructions(backend: Backend, tenant: UUID) -> dict[UUID | None, Destruction]:
    """By mailbox, None for the tenant: what was destroyed, or has begun to be. Raises Damaged."""
    found: dict[UUID | None, Destruction] = {}
    for key in backend.list(layout.keys_prefix(tenant)):
        place = layout.destruction_of(key)
        if place is not None and (place[1] or place[0] not in found):
            found[place[0]] = _read(backend, tenant, place[0], finished=place[1])
    return found


def require_not_destroyed(backend: Backend, tenant: UUID, mailbox: UUID | None) -> None:
    """Raises KeyDestroyed, also when it has only begun."""
    for finished in (True, False):
        name = layout.destruction_key(tenant, mailbox, finished=finished)
        if backend.exists(name):
            raise KeyDestroyed(name)


def _destroy(
    backend: Backend, begun: Destruction, doomed: Callable[[], list[str]], now: datetime
) -> Destruction:
    tenant, mailbox = begun.tenant, begun.mailbox
    with contextlib.suppress(NotFound):
        done = _read(backend, tenant, mailbox, finished=True)
        _remove(backend, layout.destruction_key(tenant, mailbox, finished=False))
        return done
    begun = replace(begun, objects=tuple(_described(backend, doomed())))
    begun = _written(backend, begun)
    gone = {thing.name: thing for thing in begun.objects}
    for _ in range(_ROUNDS):
        left = doomed()
        if not left:
            break
        gone |= {thing.name: thing for thing in _described(backend, left)}
        for name in left:
            _remove(backend, name)
    else:
        raise Unavailable(f"{doomed()[0]}: comes back whenever it is deleted")
    done = replace(begun, finished_at=now, objects=tuple(gone[name] for name in sorted(gone)))
    done = _written(backend, done)
    _remove(backend, layout.destruction_key(tenant, mailbox, finished=False))
    return done


def _described(backend: Backend, names: list[str]) -> Iterator[DestroyedObject]:
    for name in names:
        with contextlib.suppress(NotFound):
            content = backend.get(name)
            wrapped_by = wrapping_key_id(content) or service_of(content)
            yield DestroyedObject(name, hashlib.sha256(content).hexdigest(), wrapped_by)


def _remove(backend: Backend, name: str) -> None:
    with contextlib.suppress(NotFound):
        backend.delete(name)


def _written(backend: Backend, note: Destruction) -> Destruction:
    """The note as it stands: whoever wrote it first is right."""
    finished = note.finished_at is not None
    name = layout.destruction_key(note.tenant, note.mailbox, finished=finished)
    try:
        backend.put_immutable(name, encode(note))
    except AlreadyExists:
        return _read(backend, note.tenant, note.mailbox, finished=finished)
    return note


def encode(note: Destruction) -> bytes:
    """The one spelling that a reader accepts."""
    objects = [
        {"name": thing.name, "sha256": thing.sha256, "wrapped_by": thing.wrapped_by}
        for thing in note.objects
    ]
    content = {
        "version": 1,
        "tenant": str(note.tenant),
        "mailbox": note.mailbox and str(note.mailbox),
        "request": note.request,
        "started_at": note.started_at.astimezone(UTC).isoformat(),
        "finished_at": note.finished_at and note.finished_at.astimezone(UTC).isoformat(),
        "objects": objects,
    }
    text = json.dumps(content, indent=2).removesuffix("\n}")
    check = hashlib.sha256(text.encode()).hexdigest()
    return f'{text},\n  "check": "{check}"\n}}\n'.encode()


def _read(backend: Backend, tenant: UUID, mailbox: UUID | None, *, finished: bool) -> Destruction:
    name = layout.destruction_key(tenant, mailbox, finished=finished)
    content = backend.get(name)
    try:
        note = _decoded(json.loads(content))
    except (*fields.UNREADABLE, RecursionError) as error:
        raise Damaged(name, f"can't be read: {error}") from error
    there = (note.tenant, note.mailbox, note.finished_at is not None)
    if there != (tenant, mailbox, finished) or encode(note) != content:
        raise Damaged(name, "is not what was written")
    return note


def _decoded(content: object) -> Destruction:
    note = fields.members(content, _MEMBERS)
    if note["version"] != 1:
        raise ValueError(f"version {note['version']}")
    mailbox, finished_at = text_or_none(note["mailbox"]), text_or_none(note["finished_at"])
    objects = [fields.members(thing, _OBJECT) for thing in fields.listing(note["objects"])]
    return Destruction(
        UUID(text(note["tenant"])),
        UUID(mailbox) if mailbox else None,
        text(note["request"]),
        datetime.fromisoformat(text(note["started_at"])),
        datetime.fromisoformat(finished_at) if finished_at else None,
        tuple(
            DestroyedObject(text(o["name"]), text(o["sha256"]), text_or_none(o["wrapped_by"]))
            for o in objects
        ),
    )


_OBJECT = ("name", "sha256", "wrapped_by")
_MEMBERS = (
    "version",
    "tenant",
    "mailbox",
    "request",
    "started_at",
    "finished_at",
    "objects",
    "check",
)

"""A mailbox that lives in another system than at its last run: there, all ids are others.

Its cursors mean nothing any more, so everything is listed anew. What was held before stays, until
the new place turns out to hold it: then the older id ends, as if the item had moved. What is not
found again is kept, for a listing that starts over is no proof of a deletion.

Two cursors carry this across runs and crashes: `PLACE` says which mailbox the others belong to,
`FORMER` (a JSON list) which folders are still those of the place before.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from django.db.models import Q

from backups.catalog.index import columns
from backups.catalog.querysets import ItemVersionQuerySet
from backups.engine.exclusions import KnownFolder
from backups.repository import ItemRecord

NOTE = (
    "The mailbox was moved to another system: all its items are listed. What is found again takes"
    " the place of what was stored; nothing is removed for not being found."
)
PLACE = "place"
FORMER = "former"
PAGE = 20_000
"""Former items that are compared at once; each page reads the mailbox's current rows once."""


@dataclass(frozen=True, slots=True)
class Contents:
    """By what items of two systems are told to be the same: the normalised digest, or the internet
    message id, for a server may rewrite what it takes over."""

    digests: set[bytes]
    message_ids: set[str]

    def hold(self, digest: bytes, message_id: str) -> bool:
        return bool(
            (digest and digest in self.digests) or (message_id and message_id in self.message_ids)
        )


def folders_in(cursor: str | None) -> set[str]:
    """The folders of the place before, as the cursor `FORMER` names them."""
    return set(json.loads(cursor)) if cursor else set()


def cursor_of(former: Collection[str]) -> str | None:
    return json.dumps(sorted(former)) if former else None


def found_again(
    current: ItemVersionQuerySet, former: Collection[str], pending: Mapping[str, ItemRecord]
) -> Iterator[list[str]]:
    """Ids of items in former folders whose content is held outside of them by now, in pages.

    ``current`` are the mailbox's current rows, ``pending`` what is not committed yet. Each page
    is read in the caller's scope, when it is asked for.
    """
    after = 0
    while True:
        held = current.filter(folder_id__in=former, pk__gt=after).order_by("pk")
        rows = list(held.values_list("pk", "item_id", "digest", "message_id")[:PAGE])
        if not rows:
            return
        after = rows[-1][0]
        wanted = Contents({bytes(row[2]) for row in rows}, {row[3] for row in rows})
        there = _held_outside(current, former, pending, wanted)
        yield [row[1] for row in rows if there.hold(bytes(row[2]), row[3])]


def _held_outside(
    current: ItemVersionQuerySet,
    former: Collection[str],
    pending: Mapping[str, ItemRecord],
    wanted: Contents,
) -> Contents:
    rows = (
        current.filter(Q(digest__in=wanted.digests) | Q(message_id__in=wanted.message_ids - {""}))
        .exclude(folder_id__in=former)
        .values_list("digest", "message_id")
    )
    there = Contents(set(), set())
    for digest, message_id in rows.iterator(chunk_size=PAGE):
        there.digests.add(bytes(digest))
        there.message_ids.add(message_id)
    for item in pending.values():
        shown = columns(item.index)
        there.digests.add(shown["digest"])
        there.message_ids.add(shown["message_id"])
    return there


def holding(
    current: ItemVersionQuerySet, former: Collection[str], removed: Collection[str]
) -> set[str]:
    """Former folders that hold items; ``removed`` are ids whose end is not committed yet."""
    rows = current.filter(folder_id__in=former).values_list("folder_id", "item_id")
    return {folder_id for folder_id, item_id in rows.iterator() if item_id not in removed}


def emptied(
    former: Iterable[str], folders: Mapping[str, KnownFolder], held: Collection[str]
) -> set[str]:
    """Former folders in which nothing is ``held`` (ids of folders with items), nor below them."""
    kept: set[str] = set()
    for folder_id in held:
        place = folder_id
        while place in folders and place not in kept:
            kept.add(place)
            place = folders[place].parent_id
    return set(former) - kept

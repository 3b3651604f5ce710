"""A folder that is listed from the beginning, although items of it are held already.

The server forgot where we were, or the first listing broke off. What was deleted or moved
meanwhile, no listing will say any more. That a listing leaves an item out is no proof that it is
gone: the server is asked for it by its id, and says so itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from backups.sources import ChangePage, Gone, ItemChange, MailboxSource

MOST_COMPARED = 200_000
"""Items of a folder that are kept in mind, about 60 bytes each. A folder with more is listed and
not compared: what was deleted meanwhile stays."""
ASKED_AT_ONCE = 200

Held = Callable[[int], list[tuple[int, str, int]]]
"""From a number on: number, id and size of the items that we hold, some of them at a time."""


def listed_anew(
    source: MailboxSource, mailbox: str, folder: str, held: Held
) -> Iterator[ChangePage]:
    """All pages of a folder; before the last come those with what the server has no more.

    Only the last page has a cursor: whoever stops before it starts over again, so that nothing is
    left out. Raises SourceError as ``changes`` and ``export`` do.
    """
    named: set[int] = set()
    compares = True
    for page in source.changes(mailbox, folder, None):
        named.update(hash(change.id) for change in page.changes if not change.removed)
        if len(named) > MOST_COMPARED:
            named.clear()
            compares = False
        if compares and page.complete:
            yield from _not_found(source, mailbox, named, held)
        yield page if page.complete or not compares else replace(page, cursor="")


def _not_found(
    source: MailboxSource, mailbox: str, named: set[int], held: Held
) -> Iterator[ChangePage]:
    after = 0
    while rows := held(after):
        after = rows[-1][0]
        left_out = [
            ItemChange(item_id, size=size)
            for _, item_id, size in rows
            if hash(item_id) not in named
        ]
        for start in range(0, len(left_out), ASKED_AT_ONCE):
            answers = source.export(mailbox, left_out[start : start + ASKED_AT_ONCE])
            gone = [answer.id for answer in answers if isinstance(answer.error, Gone)]
            removed = tuple(ItemChange(item_id, removed=True) for item_id in gone)
            yield ChangePage(removed, cursor="", complete=False)

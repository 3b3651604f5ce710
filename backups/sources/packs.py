"""Exports in packs: how much is asked for at once, and what happens when that was too much."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass

from backups.sources.errors import (
    Gone,
    NotPermitted,
    Refused,
    Retry,
    SourceError,
    Throttled,
    Unavailable,
)
from backups.sources.interface import ExportedItem, ItemChange

MAX_ITEMS = 20
MAX_BYTES = 24 * 1024 * 1024
AT_ONCE = 3
_OF_THE_WHOLE = (Throttled, NotPermitted, Gone, Unavailable)
"""Errors of a call that concern the mailbox or the connection, not the items asked for."""

Pack = list[ItemChange]


class TooMuch(Exception):
    """The answer to this call does not fit or does not come in time; ask for less at once."""


def weight(item: ItemChange) -> int:
    """What an item may take in an answer: half again its size, for what a stream adds to it."""
    return item.size + item.size // 2


def packs(wanted: Sequence[ItemChange], max_bytes: int = MAX_BYTES) -> Iterator[Pack]:
    """Packs of at most 20 items and ``max_bytes``, in order; an item above that is alone."""
    pack: Pack = []
    total = 0
    for item in wanted:
        if weight(item) > max_bytes:
            yield [item]
            continue
        if len(pack) == MAX_ITEMS or total + weight(item) > max_bytes:
            yield pack
            pack, total = [], 0
        pack.append(item)
        total += weight(item)
    if pack:
        yield pack


@dataclass(frozen=True, slots=True)
class Exporter:
    """Exports items of one mailbox. ``ask`` asks for a pack in one request.

    ``ask`` raises TooMuch when less could be asked for; of what it leaves out, and of what it
    answers with an error that may pass, it is asked once more.
    """

    ask: Callable[[Pack], dict[str, ExportedItem]]
    max_bytes: int = MAX_BYTES

    def run(self, wanted: Sequence[ItemChange]) -> Iterator[ExportedItem]:
        """Every id exactly once, as packs come in, three packs at a time.

        What concerns the whole mailbox is raised when the packs under way have come in.
        """
        unique = list({item.id: item for item in wanted}.values())
        waiting = deque(packs(unique, self.max_bytes))
        running: dict[Future[list[ExportedItem]], int] = {}
        failure: SourceError | None = None
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="export") as pool:
            while running or (waiting and failure is None):
                while failure is None and waiting and self._has_room(running, waiting[0]):
                    pack = waiting.popleft()
                    running[pool.submit(self._fetch, pack)] = sum(map(weight, pack))
                done, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    del running[future]
                    try:
                        items = future.result()
                    except SourceError as error:
                        failure = failure or error
                        continue
                    items.reverse()
                    while items:
                        yield items.pop()
        if failure:
            raise failure

    def _fetch(self, pack: Pack) -> list[ExportedItem]:
        """One pack, halved where it is too much; an incomplete item is asked for once more."""
        answered = self._ask_dividing(pack)
        again = [item for item in pack if _worth_asking_again(answered.get(item.id))]
        if again:
            answered.update(self._ask_dividing(again))
        missing = Retry("the server's answer leaves the item out")
        return [
            answered.get(item.id) or ExportedItem(item.id, item.change_key, error=missing)
            for item in pack
        ]

    def _ask_dividing(self, pack: Pack) -> dict[str, ExportedItem]:
        try:
            return self.ask(pack)
        except TooMuch:
            error: SourceError = Retry("the server does not get this item's export done in time")
        except _OF_THE_WHOLE:
            raise
        except (Retry, Refused) as failed:
            error = failed
        if len(pack) == 1:
            only = pack[0]
            return {only.id: ExportedItem(only.id, only.change_key, error=error)}
        middle = len(pack) // 2
        return {**self._ask_dividing(pack[:middle]), **self._ask_dividing(pack[middle:])}

    def _has_room(self, running: dict[Future[list[ExportedItem]], int], pack: Pack) -> bool:
        """Whether a pack may start: memory is bounded by what is under way, not by the mailbox."""
        if not running:
            return True
        total = sum(running.values()) + sum(map(weight, pack))
        return len(running) < AT_ONCE and total <= AT_ONCE * self.max_bytes


def _worth_asking_again(answer: ExportedItem | None) -> bool:
    if answer is None:
        return True
    return answer.error is not None and not isinstance(answer.error, (Gone, NotPermitted))

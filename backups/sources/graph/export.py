"""Exports in packs: how much is asked for at once, and what happens when that was too much."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
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
from backups.sources.graph.answers import read_export
from backups.sources.graph.transport import Call, TooMuch, Transport, path
from backups.sources.interface import ExportedItem, ItemChange

MAX_ITEMS = 20
MAX_BYTES = 24 * 1024 * 1024
AT_ONCE = 3
_ATTEMPTS = 3
_OF_THE_WHOLE = (Throttled, NotPermitted, Gone, Unavailable)
"""Errors of a call that concern the mailbox or the connection, not the items asked for."""

Pack = list[ItemChange]


def weight(item: ItemChange) -> int:
    """What an item may take in an answer: half again its size, for what a stream adds to it."""
    return item.size + item.size // 2


def packs(wanted: Sequence[ItemChange]) -> Iterator[Pack]:
    """Packs of at most 20 items and 24 MiB, in order; an item above that is a pack alone."""
    pack: Pack = []
    total = 0
    for item in wanted:
        if weight(item) > MAX_BYTES:
            yield [item]
            continue
        if len(pack) == MAX_ITEMS or total + weight(item) > MAX_BYTES:
            yield pack
            pack, total = [], 0
        pack.append(item)
        total += weight(item)
    if pack:
        yield pack


@dataclass(frozen=True, slots=True)
class Exporter:
    """Exports items of one mailbox."""

    transport: Transport
    mailbox: str

    def run(self, wanted: Sequence[ItemChange]) -> Iterator[ExportedItem]:
        """Every id exactly once, as packs come in, three packs at a time.

        What concerns the whole mailbox is raised when the packs under way have come in.
        """
        unique = list({item.id: item for item in wanted}.values())
        waiting = deque(packs(unique))
        running: dict[Future[list[ExportedItem]], int] = {}
        failure: SourceError | None = None
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="export") as pool:
            while running or (waiting and failure is None):
                while failure is None and waiting and _has_room(running, waiting[0]):
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
            return self._ask(pack)
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

    def _ask(self, pack: Pack) -> dict[str, ExportedItem]:
        call = Call(
            "POST",
            path("admin", "exchange", "mailboxes", self.mailbox, "exportItems"),
            "exporting items",
            "MailboxItem.Export.All",
            body={"itemIds": [item.id for item in pack]},
            divisible=True,
            attempts=_ATTEMPTS,
        )
        wanted = {item.id for item in pack}
        items = self.transport.send(call, read_export)
        return {item.id: item for item in items if item.id in wanted}


def _has_room(running: dict[Future[list[ExportedItem]], int], pack: Pack) -> bool:
    """Whether a pack may start: memory is bounded by what is under way, not by the mailbox."""
    if not running:
        return True
    total = sum(running.values()) + sum(map(weight, pack))
    return len(running) < AT_ONCE and total <= AT_ONCE * MAX_BYTES


def _worth_asking_again(answer: ExportedItem | None) -> bool:
    if answer is None:
        return True
    return answer.error is not None and not isinstance(answer.error, (Gone, NotPermitted))

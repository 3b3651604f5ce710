"""How fast item streams are read, cut and shown: ``python -m tests.bench.streams FOLDER``.

Counts the processor's seconds of one core, so that a busy machine does not look like a slow
program. The README beside says how to read the table.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from backups.parts import CutItem
from backups.streams import (
    ItemStream,
    StreamError,
    cut_mime,
    item_view,
    open_stream,
    to_eml,
)

from . import mailset, memory

BATCH: Final = 200
"""Items in memory at once; or fewer, when they are large."""
BATCH_BYTES: Final = 32 * 1024 * 1024


@dataclass(slots=True)
class Stage:
    """Seconds that ``bytes`` in ``items`` took; ``refused`` items could not be done."""

    items: int = 0
    bytes: int = 0
    seconds: float = 0.0
    refused: int = 0

    @property
    def items_per_second(self) -> float:
        return self.items / self.seconds if self.seconds else 0.0

    @property
    def megabytes_per_second(self) -> float:
        return self.bytes / self.seconds / 1e6 if self.seconds else 0.0


@dataclass(slots=True)
class Figures:
    """What one set gave."""

    stages: dict[str, Stage] = field(default_factory=dict)

    def time(
        self, name: str, size: int, repeat: int, actions: list[Callable[[], object]]
    ) -> list[object]:
        """Do all ``actions`` ``repeat`` times, count the fastest, and give what they returned."""
        best = float("inf")
        refused = 0
        for _ in range(repeat):
            answers: list[object] = []
            refused = 0
            begin = time.process_time()
            for action in actions:
                try:
                    answers.append(action())
                except StreamError:
                    refused += 1
            best = min(best, time.process_time() - begin)
        stage = self.stages.setdefault(name, Stage())
        stage.items += len(actions)
        stage.bytes += size
        stage.seconds += best
        stage.refused += refused
        return answers


def measure(payloads: Iterable[bytes], repeat: int) -> Figures:
    """Each stage alone, on streams that the stage before has read, and what a worker does."""
    figures = Figures()
    for batch in _batches(payloads):
        size = sum(map(len, batch))
        opened = [open_stream(payload) for payload in batch]
        figures.time("decode", size, repeat, [_decoding(payload) for payload in batch])
        for stream in opened:
            stream.summary()
        figures.time("index", size, repeat, [stream.index for stream in opened])
        figures.time("digest", size, repeat, [stream.digest for stream in opened])
        figures.time("cut", size, repeat, [_cutting(stream) for stream in opened])
        cuts = [stream.cut() for stream in opened]
        pairs = list(zip(cuts, batch, strict=True))
        figures.time("compare", size, repeat, [_comparing(c, p) for c, p in pairs])
        figures.time("decode, index, cut", size, repeat, [_reading(p) for p in batch])
        figures.time("all that a backup does", size, repeat, [_preparing(p) for p in batch])
        figures.time("view", size, repeat, [_viewing(payload) for payload in batch])
        figures.time("eml", size, repeat, [_writing(payload) for payload in batch])
    return figures


def measure_mime(raws: Iterable[bytes], repeat: int) -> Figures:
    """Cutting the mails as they arrive, without a stream."""
    figures = Figures()
    for batch in _batches(raws):
        size = sum(map(len, batch))
        figures.time("cut MIME", size, repeat, [_cutting_mail(raw) for raw in batch])
        pairs = [(cut_mime(raw), raw) for raw in batch]
        figures.time("compare MIME", size, repeat, [_comparing(c, raw) for c, raw in pairs])
    return figures


def _decoding(payload: bytes) -> Callable[[], object]:
    return lambda: open_stream(payload).summary()


def _cutting(stream: ItemStream) -> Callable[[], object]:
    """Taking the parts out belongs to cutting: they are made when they are asked for."""
    return lambda: sum(len(part.data) for part in stream.cut().parts)


def _cutting_mail(raw: bytes) -> Callable[[], object]:
    return lambda: sum(len(part.data) for part in cut_mime(raw).parts)


def _comparing(item: CutItem, payload: bytes) -> Callable[[], object]:
    def compare() -> None:
        if not item.matches(payload):
            raise AssertionError("an item does not join to the same bytes")

    return compare


def _reading(payload: bytes) -> Callable[[], object]:
    def read() -> None:
        stream = open_stream(payload)
        stream.summary()
        stream.index()
        _cutting(stream)()

    return read


def _preparing(payload: bytes) -> Callable[[], object]:
    def prepare() -> None:
        stream = open_stream(payload)
        stream.summary()
        stream.index()
        _comparing(stream.cut(), payload)()

    return prepare


def _viewing(payload: bytes) -> Callable[[], object]:
    return lambda: item_view(payload)


def _writing(payload: bytes) -> Callable[[], object]:
    return lambda: to_eml(payload)


def _batches(payloads: Iterable[bytes]) -> Iterator[list[bytes]]:
    batch: list[bytes] = []
    size = 0
    for payload in payloads:
        batch.append(payload)
        size += len(payload)
        if len(batch) == BATCH or size >= BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def report(folder: Path, *, office: bool, repeat: int, megabytes: int) -> dict[str, object]:
    """Figures of every set: rates by stage, the mean payload, and the memory of one large item."""
    sets = {"real": measure(mailset.real(folder), repeat)}
    raws = (path.read_bytes() for path in mailset.files(folder) if path.suffix == ".eml")
    sets["mail"] = measure_mime(raws, repeat)
    if office:
        sets["office"] = measure(mailset.office(folder), repeat)
    found: dict[str, object] = {name: _rates(figures) for name, figures in sets.items()}
    if megabytes:
        found["memory"] = memory.measure(megabytes)
    return found


def _rates(figures: Figures) -> dict[str, object]:
    first = next(iter(figures.stages.values()), Stage())
    return {
        "items": first.items,
        "mean_bytes": first.bytes // max(first.items, 1),
        "stages": {
            name: {
                "items_per_second": round(stage.items_per_second),
                "megabytes_per_second": round(stage.megabytes_per_second, 1),
                "refused": stage.refused,
            }
            for name, stage in figures.stages.items()
        },
    }


def _lines(found: dict[str, object]) -> Iterator[str]:
    for name, figures in found.items():
        if not isinstance(figures, dict):
            continue
        if name == "memory":
            yield f"\none item of {figures['megabytes']} MB: peak memory above the payload"
            for stage, size in figures["above_payload"].items():
                yield f"  {stage:<24}{size:>10} MB"
            continue
        yield f"\n{name}: {figures['items']} items, mean {figures['mean_bytes']:,} bytes"
        for stage, rates in figures["stages"].items():
            refused = f"   {rates['refused']} refused" if rates["refused"] else ""
            items, megabytes = rates["items_per_second"], rates["megabytes_per_second"]
            yield f"  {stage:<24}{items:>10,} items/s{megabytes:>10,.1f} MB/s{refused}"


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.streams", description=__doc__)
    parser.add_argument("folder", type=Path, help="real files: .eml, .ics, .vcf, .msg, any depth")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--office", action="store_true", help="also with an office's attachments")
    parser.add_argument("--repeat", type=int, default=1, metavar="N", help="the fastest of N")
    parser.add_argument("--memory", type=int, default=150, metavar="MB", help="0: leave it out")
    options = parser.parse_args(arguments)
    if not mailset.files(options.folder):
        parser.error(f"{options.folder} holds no .eml, .ics, .vcf or .msg")
    found = report(
        options.folder,
        office=options.office,
        repeat=max(options.repeat, 1),
        megabytes=options.memory,
    )
    print(json.dumps(found) if options.json else "\n".join(_lines(found)))


if __name__ == "__main__":
    main()

"""How fast and how small a repository is, beside restic and borg on the same files, in one run:
``python -m tests.bench.repository --corpus DIR``. The README beside says how to read the table.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from . import mailset, peers
from .peers import Program, Taken

STAGES: Final = ("ingest", "unchanged", "again", "read", "verify", "one")
OURS: Final = ("with_index", "at_once")
"""Compared with the others' ingest, which uses every core."""
SETS: Final = {"small": mailset.dealt, "office": mailset.sent}
ASKED: Final[dict[str, dict[str, float]]] = {
    "small": {"at_once": 0.5, "stored": 0.8},
    "office": {"at_once": 1.3, "stored": 0.5, "read": 1.25, "verify": 1.0},
}
"""What we ask of ourselves, as a ratio to restic; of stored bytes at most, of speed at least."""
PEAK: Final = 150
"""MB that the storage layer may take."""
LINES: Final = {
    "at_once": "ingest, a worker for each core",
    "ingest": "ingest, one worker",
    "with_index": "the same, with the catalog's index",
    "unchanged": "run without a change",
    "again": "everything offered again",
    "read": "full read-back into files",
    "verify": "verify all data",
    "one": "one item, a process for it",
}


def report(corpus: Path, sets: list[str], rounds: int, work: Path) -> dict[str, object]:
    """Medians over the rounds: of every set, every program and every stage."""
    programs = peers.installed(work)
    versions = {p.name: peers.version(p.name) for p in programs if p.name != "stowage"}
    found: dict[str, object] = {"cores": os.cpu_count(), "versions": versions, "rounds": rounds}
    for name in sets:
        items = work / name
        # In a process of its own: a child's peak of memory counts from its parent's.
        command = [sys.executable, "-m", "tests.bench.repository", "--corpus", str(corpus)]
        subprocess.run([*command, "--sets", name, "--make", str(items)], check=True)
        found[name] = _measured(items, programs, rounds, work / "out")
        shutil.rmtree(items)
    return found


def _make(corpus: Path, name: str, items: Path) -> None:
    """The files that are backed up: a folder for each mailbox, a file for each item's stream."""
    for number, (mailbox, payload) in enumerate(SETS[name](corpus)):
        folder = items / f"mailbox-{mailbox}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number:06d}").write_bytes(payload)


def _measured(items: Path, programs: list[Program], rounds: int, to: Path) -> dict[str, object]:
    sizes = [path.stat().st_size for path in items.rglob("*") if path.is_file()]
    taken: dict[str, dict[str, list[Taken]]] = {p.name: {} for p in programs}
    stored: dict[str, int] = {}
    for _ in range(rounds):
        for program in programs:
            program.prepare()
            for stage in STAGES:
                shutil.rmtree(to, ignore_errors=True)
                taken[program.name].setdefault(stage, []).append(program.run(stage, items, to))
                if stage == "ingest":
                    stored[program.name] = program.stored()
                if stage == "read" and peers.folder_size(to) != sum(sizes):
                    raise AssertionError(f"{program.name} gave other bytes back")
            if program.name == "stowage":
                for stage in OURS:
                    taken[program.name].setdefault(stage, []).append(program.run(stage, items, to))
    shutil.rmtree(to, ignore_errors=True)
    return {
        "items": len(sizes),
        "bytes": sum(sizes),
        "mean_bytes": sum(sizes) // len(sizes),
        "programs": {
            name: {"stored": stored[name], "stages": _figures(stages, sum(sizes), len(sizes))}
            for name, stages in taken.items()
        },
    }


def _figures(stages: dict[str, list[Taken]], size: int, items: int) -> dict[str, object]:
    figures: dict[str, object] = {}
    for stage, rounds in stages.items():
        seconds = statistics.median(one.seconds for one in rounds)
        figures[stage] = {
            "seconds": round(seconds, 3),
            "fastest": round(min(one.seconds for one in rounds), 3),
            "slowest": round(max(one.seconds for one in rounds), 3),
            "processor_seconds": round(statistics.median(one.processor for one in rounds), 3),
            "peak_megabytes": round(max(one.megabytes for one in rounds), 1),
            "megabytes_per_second": round(size / seconds / 1e6, 1),
            "items_per_second": round(items / seconds),
        }
        if stage == "one" and rounds[-1].printed.startswith("{"):
            figures["warm"] = json.loads(rounds[-1].printed)
    return figures


def _lines(found: dict[str, object]) -> Iterator[str]:
    versions = found["versions"]
    assert isinstance(versions, dict)
    yield f"{found['cores']} cores; {found['rounds']} rounds, medians; seconds of whole processes"
    for name in ("restic", "borg"):
        yield versions.get(name, f"{name} is not installed, so it is left out")
    for name in SETS:
        if name in found:
            yield from _table(name, found[name])


def _table(name: str, figures: object) -> Iterator[str]:
    assert isinstance(figures, dict)
    programs = figures["programs"]
    ours, others = programs["stowage"], [p for p in programs if p != "stowage"]
    yield ""
    yield (
        f"{name}: {figures['items']:,} items, {figures['bytes'] / 1e6:,.1f} MB,"
        f" mean {figures['mean_bytes']:,} bytes"
    )
    for measure, title in (("seconds", "by the clock"), ("processor_seconds", "of the processor")):
        head = "".join(f"{'x ' + p:>10}" for p in others) + "".join(f"{p:>12}" for p in programs)
        yield f"  {title:<34}{head}"
        for stage in LINES:
            mine = ours["stages"][stage][measure]
            there = {p: programs[p]["stages"].get(stage, {}).get(measure) for p in programs}
            theirs = {p: programs[p]["stages"][_theirs(stage)][measure] for p in others}
            ratios = "".join(_cell(theirs[p] / mine, 10, "") for p in others)
            seconds = "".join(_cell(there[p], 12, " s") for p in programs)
            yield f"  {LINES[stage]:<34}{ratios}{seconds}"
    ratios = "".join(_cell(ours["stored"] / programs[p]["stored"], 10, "") for p in others)
    sizes = "".join(_cell(programs[p]["stored"] / 1e6, 12, " MB") for p in programs)
    yield f"  {'stored (of theirs)':<34}{ratios}{sizes}"
    peaks = {p: _peak(programs[p]) for p in programs}
    sizes = "".join(_cell(peaks[p], 12, " MB") for p in programs)
    yield f"  {'peak memory, ingest to verify':<34}{' ' * 10 * len(others)}{sizes}"
    warm = ours["stages"]["warm"]
    yield f"  one item, warm: median {warm['median_ms']:.2f} ms, p95 {warm['p95_ms']:.2f} ms"
    if "restic" in programs:
        yield from _missed(name, programs, peaks["stowage"])


def _missed(name: str, programs: dict[str, dict[str, object]], peak: float) -> Iterator[str]:
    ours, theirs = programs["stowage"], programs["restic"]
    for what, asked in ASKED[name].items():
        if what == "stored":
            ratio = float(str(ours["stored"])) / float(str(theirs["stored"]))
            met = ratio <= asked
        else:
            ratio = _seconds(theirs, _theirs(what)) / _seconds(ours, what)
            met = ratio >= asked
        title = LINES.get(what, what)
        yield f"  {'met   ' if met else 'MISSED'} {title}: {ratio:.2f}, asked {asked}"
    yield f"  {'met   ' if peak <= PEAK else 'MISSED'} peak: {peak:.0f} MB, asked {PEAK}"


def _theirs(stage: str) -> str:
    return "ingest" if stage in OURS else stage


def _seconds(program: dict[str, object], stage: str) -> float:
    stages = program["stages"]
    assert isinstance(stages, dict)
    return float(stages[stage]["seconds"])


def _peak(program: dict[str, object]) -> float:
    stages = program["stages"]
    assert isinstance(stages, dict)
    return max(figures.get("peak_megabytes", 0.0) for figures in stages.values())


def _cell(value: float | None, width: int, unit: str) -> str:
    return f"{'' if value is None else f'{value:,.2f}{unit}':>{width}}"


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.repository", description=__doc__)
    parser.add_argument("--corpus", type=Path, required=True, help="real mails: .eml, any depth")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--sets", default=",".join(SETS), help="small, office, or both")
    parser.add_argument("--rounds", type=int, default=3, metavar="N")
    parser.add_argument("--work", type=Path, help="where files may be made (a temporary folder)")
    parser.add_argument("--make", type=Path, metavar="DIR", help="only make the set's files there")
    options = parser.parse_args(arguments)
    sets = options.sets.split(",")
    if unknown := set(sets) - set(SETS):
        parser.error(f"there is no set {', '.join(sorted(unknown))}")
    if not any(path.suffix == ".eml" for path in mailset.files(options.corpus)):
        parser.error(f"{options.corpus} holds no .eml")
    if options.make:
        _make(options.corpus, sets[0], options.make)
        return
    with tempfile.TemporaryDirectory(dir=options.work, prefix="stowage-bench-") as work:
        found = report(options.corpus, sets, max(options.rounds, 1), Path(work))
    print(json.dumps(found) if options.json else "\n".join(_lines(found)))


if __name__ == "__main__":
    main()

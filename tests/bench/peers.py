"""The programs that are compared: what each is called with, and what a process took."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

PASSPHRASE: Final = "a passphrase for the benchmark"


@dataclass(frozen=True, slots=True)
class Taken:
    """What one process took: seconds by the clock and of the processor, MB at its peak."""

    seconds: float
    processor: float
    megabytes: float
    printed: str = field(default="", repr=False)


class Program(Protocol):
    """Every stage is one process; ``items`` is a folder of files, ``to`` one to be made."""

    name: str

    def prepare(self) -> None:
        """What comes before the clock: an empty repository."""

    def run(self, stage: str, items: Path, to: Path) -> Taken: ...

    def stored(self) -> int:
        """Bytes of the repository."""


class Stowage:
    name = "stowage"

    def __init__(self, folder: Path) -> None:
        self._place = folder / "stowage"
        # Compiled modules are kept, as an installation does.
        self._environment = {
            "PYTHONDONTWRITEBYTECODE": "",
            "PYTHONPYCACHEPREFIX": str(folder / "pycache"),
        }
        process([sys.executable, "-c", "import tests.bench.stages"], folder, self._environment)

    def prepare(self) -> None:
        shutil.rmtree(self._place, ignore_errors=True)

    def run(self, stage: str, items: Path, to: Path) -> Taken:
        if stage in ("with_index", "at_once"):
            self.prepare()
        command = [sys.executable, "-m", "tests.bench.stages", stage, str(items), str(self._place)]
        if stage == "read":
            command.append(str(to))
        return process(command, Path.cwd(), self._environment)

    def stored(self) -> int:
        return folder_size(self._place)


class Restic:
    name = "restic"

    def __init__(self, folder: Path) -> None:
        self._place = folder / "restic"
        self._environment = {
            "RESTIC_REPOSITORY": str(self._place),
            "RESTIC_PASSWORD": PASSPHRASE,
            "RESTIC_CACHE_DIR": str(folder / "restic-cache"),
        }

    def prepare(self) -> None:
        shutil.rmtree(self._place, ignore_errors=True)
        shutil.rmtree(self._environment["RESTIC_CACHE_DIR"], ignore_errors=True)
        process(["restic", "init"], self._place.parent, self._environment)

    def run(self, stage: str, items: Path, to: Path) -> Taken:
        command = {
            "ingest": ["backup", "--quiet", "."],
            "unchanged": ["backup", "--quiet", "."],
            "again": ["backup", "--quiet", "--force", "."],
            "read": ["restore", "latest", "--target", str(to)],
            "verify": ["check", "--read-data"],
            "one": ["dump", "latest", f"/{first_file(items)}"],
        }[stage]
        return process(["restic", *command], items, self._environment)

    def stored(self) -> int:
        return folder_size(self._place)


class Borg:
    name = "borg"

    def __init__(self, folder: Path) -> None:
        self._place = folder / "borg"
        self._base = folder / "borg-base"
        self._environment = {
            "BORG_PASSPHRASE": PASSPHRASE,
            "BORG_BASE_DIR": str(self._base),
            "BORG_RELOCATED_REPO_ACCESS_IS_OK": "yes",
        }
        self._archives = 0

    def prepare(self) -> None:
        shutil.rmtree(self._place, ignore_errors=True)
        shutil.rmtree(self._base, ignore_errors=True)
        self._base.mkdir(parents=True)
        command = ["borg", "init", "--encryption", "repokey-blake2", str(self._place)]
        process(command, self._base, self._environment)
        self._archives = 0

    def run(self, stage: str, items: Path, to: Path) -> Taken:
        create = ["create", "--compression", "zstd,3"]
        folder = items
        if stage in ("ingest", "unchanged", "again"):
            self._archives += 1
            if stage == "again":
                create += ["--files-cache", "disabled"]
            command = [*create, f"{self._place}::{self._archives}", "."]
        elif stage == "read":
            to.mkdir(parents=True)
            folder = to
            command = ["extract", f"{self._place}::1"]
        elif stage == "verify":
            command = ["check", "--verify-data", str(self._place)]
        else:
            command = ["extract", "--stdout", f"{self._place}::1", first_file(items)]
        return process(["borg", *command], folder, self._environment)

    def stored(self) -> int:
        return folder_size(self._place)


def installed(folder: Path) -> list[Program]:
    """Ours, and those of the others that are on this machine."""
    programs: list[Program] = [Stowage(folder)]
    if shutil.which("restic"):
        programs.append(Restic(folder))
    if shutil.which("borg"):
        programs.append(Borg(folder))
    return programs


def version(name: str) -> str:
    command = ["restic", "version"] if name == "restic" else ["borg", "--version"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def first_file(items: Path) -> str:
    """The path of the first item below ``items``."""
    folder = min(items.iterdir())
    return f"{folder.name}/{min(folder.iterdir()).name}"


def folder_size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def process(command: list[str], folder: Path, environment: dict[str, str]) -> Taken:
    """Run it to its end. Raises RuntimeError with what it said when it failed."""
    surroundings = {**os.environ, "PYTHONPATH": str(Path.cwd()), **environment}
    began = time.perf_counter()
    started = subprocess.Popen(
        command,
        cwd=folder,
        env=surroundings,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert started.stdout is not None
    printed = started.stdout.read()
    _, status, usage = os.wait4(started.pid, 0)
    seconds = time.perf_counter() - began
    started.returncode = os.waitstatus_to_exitcode(status)
    if started.returncode:
        said = printed.decode(errors="replace")[-2_000:]
        raise RuntimeError(f"{command[0]} ended with {started.returncode}: {said}")
    text = printed.decode(errors="replace") if len(printed) < 100_000 else ""
    return Taken(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1000, text)

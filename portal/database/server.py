"""Starts, finds, watches and stops the server of a local cluster."""

import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlencode

import psycopg
from psycopg import sql

from portal import tether
from portal.database import cluster
from portal.database.account import Account, account_for
from portal.database.binaries import Binaries, find
from portal.database.place import DATABASE, PORT, SUPERUSER, DatabaseError, Place

START_SECONDS = 120.0
STOP_SECONDS = 20.0
LOG_BYTES = 5_000_000
STEP = 0.02
SOCKET_LOCK = f".s.PGSQL.{PORT}.lock"
LINGERS = ("is still in use", "Is another postmaster")


@dataclass(frozen=True)
class Status:
    """What is known about the server without changing anything."""

    pid: int | None
    place: Place

    @property
    def running(self) -> bool:
        return self.pid is not None


class LocalDatabase:
    """The one local server of a data folder. Every failure is a `DatabaseError`."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir.absolute()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def place(self) -> Place:
        return Place.of(self.data_dir)

    def start(self, *, tethered: bool = True, options: Mapping[str, str] | None = None) -> None:
        """Return when the server answers and the database and its roles are there.

        A server of this cluster that runs already is taken over as it is. `tethered` makes a new
        one stop when the calling thread dies (Linux), so call it from a thread that lives as long
        as the server should. `options` are server settings, for a new server only.
        """
        try:
            with self._locked():
                self._start(tethered, options or {})
        except (OSError, psycopg.Error) as error:
            raise DatabaseError(f"PostgreSQL could not be set up: {error}") from error

    def create_database(self, name: str) -> None:
        """Make another database in the running server, with the same roles and rights."""
        with self._locked():
            self._make_database(self.place, name)

    def drop_database(self, name: str) -> None:
        """Remove a database of the running server, whoever is connected to it."""
        statement = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)")
        with self.connect(SUPERUSER, "postgres") as connection:
            connection.execute(statement.format(sql.Identifier(name)))

    def stop(self) -> bool:
        """Stop the server, clients or not; False when none ran. The cluster stays consistent."""
        place = self.place
        if not place.folder.exists():
            return False
        with self._locked():
            pid = self._pid()
            if pid is None:
                return False
            for number, seconds in ((signal.SIGINT, STOP_SECONDS), (signal.SIGQUIT, 5.0)):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)
                if self._gone(pid, seconds):
                    place.detached.unlink(missing_ok=True)
                    return True
        raise DatabaseError(f"PostgreSQL (process {pid}) does not stop; its log is {place.log}.")

    def remove(self) -> None:
        """Stop the server and delete what of it lies outside the data folder.

        What lies inside goes with the data folder, which is the caller's to delete.
        """
        self.stop()
        place = self.place
        for folder in (place.home, place.socket):
            if not folder.is_relative_to(place.folder) and folder.exists():
                shutil.rmtree(folder)

    def status(self) -> Status:
        return Status(pid=self._pid(), place=self.place)

    def alive(self) -> bool:
        """Whether the server's process is there; also reaps it when it was ours and died."""
        return self._pid() is not None

    def detached(self) -> bool:
        """Whether the server that runs was started to outlive its starter."""
        return self.place.detached.exists() and self.alive()

    def connect(self, role: str, database: str = DATABASE) -> psycopg.Connection:
        """A connection in autocommit mode through the private socket."""
        place = self.place
        return psycopg.connect(
            host=str(place.socket),
            port=PORT,
            user=role,
            dbname=database,
            passfile=str(place.passfile(role)),
            connect_timeout=5,
            autocommit=True,
        )

    def url(self, role: str, database: str = DATABASE) -> str:
        """An address for PORTAL_DATABASE_…_URL or psql; it names the password's file only."""
        place = self.place
        options = {"host": str(place.socket), "passfile": str(place.passfile(role))}
        return f"postgresql://{role}@/{quote(database)}?{urlencode(options, safe='/')}"

    def _start(self, tethered: bool, options: Mapping[str, str]) -> None:
        account = account_for(self.place)
        place = self.place.prepare(account.uid if account else os.geteuid())
        cluster.make_passwords(place)
        for last in (False, False, True):
            if self._pid() is None or not self._settled(place):
                binaries = find(account)
                cluster.make(place, binaries, account)
                self._launch(place, binaries, account, tethered, options)
            try:
                self._make_database(place, DATABASE)
                break
            except psycopg.OperationalError:
                # One that was found running may go down now: its supervisor has just been killed.
                if last:
                    raise

    def _make_database(self, place: Place, name: str) -> None:
        # Under the lock: PostgreSQL refuses concurrent changes of one role.
        with self.connect(SUPERUSER, "postgres") as connection:
            cluster.make_database(connection, name)
        with self.connect(SUPERUSER, name) as connection:
            cluster.apply_roles(place, connection)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        place = self.place
        try:
            for folder in (self.data_dir, place.folder):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise DatabaseError(f"the data folder can't be made: {error}") from error
        with place.lock.open("a") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX)
            yield

    def _pid(self) -> int | None:
        if self._process is not None and self._process.poll() is not None:
            self._process = None
        try:
            first = (self.place.cluster / "postmaster.pid").read_text().split("\n", 1)[0]
            pid = int(first)
        except (FileNotFoundError, ValueError):
            return None
        except PermissionError as error:
            raise DatabaseError(f"{self.place.cluster} can't be read: {error}") from error
        return pid if _serves(pid, self.place.cluster) else None

    def _gone(self, pid: int, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        # The process outlives its pid file by a moment.
        while _serves(pid, self.place.cluster):
            if time.monotonic() > deadline:
                return False
            time.sleep(STEP)
        self._pid()
        return True

    def _settled(self, place: Place) -> bool:
        """Wait until the running server answers (True) or, on its way down, is gone (False)."""
        deadline = time.monotonic() + START_SECONDS
        while self._pid() is not None:
            reason = self._refusal()
            if reason is None:
                return True
            if time.monotonic() > deadline or "password authentication" in reason:
                raise DatabaseError(
                    f"a server of {place.cluster} runs (process {self._pid()}), but refuses "
                    f"connections: {reason}"
                )
            time.sleep(STEP)
        return False

    def _refusal(self) -> str | None:
        try:
            self.connect(SUPERUSER, "postgres").close()
        except psycopg.OperationalError as error:
            return str(error).strip()
        return None

    def _launch(
        self,
        place: Place,
        binaries: Binaries,
        account: Account | None,
        tethered: bool,
        options: Mapping[str, str],
    ) -> None:
        place.detached.unlink(missing_ok=True)
        command = _command(place, binaries, options)
        deadline = time.monotonic() + START_SECONDS
        while True:
            for file in (place.cluster / "postmaster.pid", place.socket / SOCKET_LOCK):
                _forget_stranger(file, place.cluster)
            output = self._attempt(place, command, account, tethered)
            if output is None:
                break
            # After a kill -9 the old server needs a moment to vanish, and its children to notice.
            if not any(words in output for words in LINGERS) or time.monotonic() > deadline:
                raise DatabaseError(cluster.explain("PostgreSQL did not start", output))
            time.sleep(0.2)
        if not tethered:
            place.detached.touch()

    def _attempt(
        self, place: Place, command: list[str], account: Account | None, tethered: bool
    ) -> str | None:
        """Start once. None when the server answers, else what it wrote to its log."""
        if place.log.exists() and place.log.stat().st_size > LOG_BYTES:
            place.log.replace(place.log.with_suffix(".log.1"))
        with place.log.open("ab") as log:
            begin = log.tell()
            self._process = subprocess.Popen(
                tether.command(
                    command,
                    death_signal=signal.SIGINT if tethered else None,
                    user=(account.uid, account.gid) if account else None,
                ),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                env=cluster.environment(),
                start_new_session=True,
            )
        process = self._process
        deadline = time.monotonic() + START_SECONDS
        while process.poll() is None:
            reason = self._refusal()
            if reason is None:
                return None
            if time.monotonic() > deadline:
                process.send_signal(signal.SIGQUIT)
                process.wait()
                raise DatabaseError(cluster.explain("PostgreSQL does not answer", reason))
            time.sleep(STEP)
        self._process = None
        with place.log.open("rb") as log:
            log.seek(begin)
            return log.read().decode(errors="replace")


def _command(place: Place, binaries: Binaries, options: Mapping[str, str]) -> list[str]:
    settings = {
        "listen_addresses": "",
        "port": str(PORT),
        "unix_socket_directories": str(place.socket),
        "unix_socket_permissions": "0700",
        "timezone": "UTC",
        **options,
    }
    command = [str(binaries.postgres), "-D", str(place.cluster)]
    for name, value in settings.items():
        command += ["-c", f"{name}={value}"]
    return command


ZOMBIE = "(zombie)"


def _arguments(pid: int) -> str:
    """The command line of a process; empty when there is none, or while it is being killed."""
    try:
        if sys.platform == "linux":
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return ZOMBIE
            return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
        answer = subprocess.run(
            ["ps", "-p", str(pid), "-o", "command="], capture_output=True, text=True
        )
    except OSError:
        return ""
    return answer.stdout


def _serves(pid: int, cluster: Path) -> bool:
    arguments = _arguments(pid)
    return "postgres" in arguments and str(cluster) in arguments


def _forget_stranger(file: Path, cluster: Path) -> None:
    # PostgreSQL clears a dead server's file itself. It can't when the number has been given to
    # another process of the same user, or while nobody has read its exit status, and asks a person
    # to delete the file. Children that outlived it are found by their shared memory all the same.
    with contextlib.suppress(FileNotFoundError, ValueError):
        pid = int(file.read_text().split("\n", 1)[0])
        if _arguments(pid) and not _serves(pid, cluster):
            file.unlink()

"""Where the local cluster of a data folder lies, and which roles it has.

As an ordinary user everything is inside the data folder:

    database/cluster/       PostgreSQL's own files
    database/socket/        0700, the only way in
    database/passwords/     one 0600 file per role, in libpq's passfile format
    database/server.log

PostgreSQL refuses to run as root, and its own account can seldom reach a data folder of root's.
So as root the first two lie in `/var/lib/stowage/<data folder>-<random>/`. A socket's path is
limited to 107 bytes, so below a long data folder it moves to a short folder. What lies elsewhere
is recorded in `database/place.json`.
"""

import hashlib
import json
import os
import secrets
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

DATABASE = "portal"
SUPERUSER = "portal_super"
ROLES = {"default": "portal_app", "operator": "portal_operator", "owner": "portal_owner"}
PORT = 5432
SOCKET_LIMIT = 103 if sys.platform == "darwin" else 107
SYSTEM_FOLDER = Path("/var/lib/stowage")


class DatabaseError(Exception):
    """The local database can't do what was asked; the message says why and what helps."""


def fits(socket_folder: Path) -> bool:
    """Whether a socket in this folder has a path that the system accepts."""
    return len(os.fsencode(socket_folder / f".s.PGSQL.{PORT}")) <= SOCKET_LIMIT


@dataclass(frozen=True)
class Place:
    """The paths of one local cluster. Nothing here says that it exists."""

    folder: Path
    home: Path
    socket: Path
    database: str = DATABASE

    @classmethod
    def of(cls, data_dir: Path) -> "Place":
        """What the data folder records, else the places inside it."""
        folder = data_dir / "database"
        try:
            record = json.loads((folder / "place.json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            record = {}
        except (OSError, ValueError) as error:
            raise DatabaseError(f"{folder / 'place.json'} can't be read: {error}") from error
        home = Path(record.get("home", folder))
        return cls(folder=folder, home=home, socket=Path(record.get("socket", home / "socket")))

    @property
    def cluster(self) -> Path:
        return self.home / "cluster"

    @property
    def log(self) -> Path:
        return self.folder / "server.log"

    @property
    def lock(self) -> Path:
        return self.folder / "lock"

    @property
    def detached(self) -> Path:
        """Present while the server runs because of `database start`, not under a supervisor."""
        return self.folder / "detached"

    def passfile(self, role: str) -> Path:
        return self.folder / "passwords" / role

    def prepare(self, owner: int) -> "Place":
        """Make the folders that are missing and return the place that is then in use.

        `owner` is the uid that will run the server. Folders made as root are given to it.
        """
        self.passfile(SUPERUSER).parent.mkdir(mode=0o700, exist_ok=True)
        place = self
        if os.geteuid() == 0 and self.home == self.folder:
            place = self._moved()
        place.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        if place.home != place.folder:
            os.chown(place.home, owner, -1)
        place = place._with_socket(owner)
        place._record()
        return place

    def _moved(self) -> "Place":
        if self.cluster.exists():
            raise DatabaseError(
                f"{self.cluster} was made by an ordinary user (uid {self.cluster.stat().st_uid}); "
                "PostgreSQL can't run as root: start the portal as that user."
            )
        home = _system_home(self.folder)
        return Place(folder=self.folder, home=home, socket=home / "socket")

    def _with_socket(self, owner: int) -> "Place":
        socket = self.socket
        if not fits(socket) or (socket.exists() and not _private(socket, owner)):
            socket = _short_folder()
        if not socket.exists():
            socket.mkdir(mode=0o700, parents=True)
        if os.geteuid() == 0:
            os.chown(socket, owner, -1)
        return Place(folder=self.folder, home=self.home, socket=socket)

    def _record(self) -> None:
        record = {}
        if self.home != self.folder:
            record["home"] = str(self.home)
        if self.socket != self.home / "socket":
            record["socket"] = str(self.socket)
        file = self.folder / "place.json"
        new = file.with_suffix(".new")
        new.write_text(json.dumps(record) + "\n", encoding="utf-8")
        new.replace(file)


def _private(folder: Path, owner: int) -> bool:
    status = folder.lstat()
    expected = owner if os.geteuid() == 0 else os.geteuid()
    return folder.is_dir() and not folder.is_symlink() and status.st_uid == expected


def _short_folder() -> Path:
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    for base in (runtime, tempfile.gettempdir(), "/tmp"):  # noqa: S108 - mkdtemp: 0700, unpredictable
        if base and os.access(base, os.W_OK | os.X_OK) and fits(Path(base) / "stowage-01234567"):
            return Path(tempfile.mkdtemp(prefix="stowage-", dir=base))
    raise DatabaseError(
        "the data folder's path is too long for a socket (107 bytes), and neither "
        "XDG_RUNTIME_DIR nor /tmp can hold one: set PORTAL_DATA_DIR to a shorter path."
    )


def _system_home(folder: Path) -> Path:
    # The random part keeps a new data folder away from the cluster that an earlier one at the
    # same path left behind, whose passwords went with it.
    digest = hashlib.sha256(os.fsencode(folder.resolve())).hexdigest()[:12]
    SYSTEM_FOLDER.mkdir(mode=0o755, parents=True, exist_ok=True)
    return SYSTEM_FOLDER / f"{digest}-{secrets.token_hex(4)}"

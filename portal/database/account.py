"""The account that runs the server when the portal is started as root."""

import os
import pwd
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from portal.database.place import SYSTEM_FOLDER, DatabaseError, Place

NAME = "stowage-postgres"


@dataclass(frozen=True)
class Account:
    name: str
    uid: int
    gid: int


def run(
    command: Sequence[str | Path],
    account: Account | None,
    environment: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end as this account (None: as ourselves) and keep what it says."""
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        cwd="/",
        env=environment,
        timeout=300,
        user=account.uid if account else None,
        group=account.gid if account else None,
        extra_groups=[] if account else None,
    )


def account_for(place: Place) -> Account | None:
    """Who runs the server of this place: None means ourselves.

    As root: the owner of an existing cluster, else `stowage-postgres`, made when it can be, else
    `nobody`.
    """
    if os.geteuid() != 0:
        _check_owner(place)
        return None
    if place.cluster.exists() and place.home != place.folder:
        owner = place.cluster.stat().st_uid
        if owner == 0:
            raise DatabaseError(f"{place.cluster} belongs to root, who can't run PostgreSQL.")
        try:
            return _account(pwd.getpwuid(owner))
        except KeyError as error:
            raise DatabaseError(
                f"{place.cluster} belongs to uid {owner}, which has no account any more."
            ) from error
    return _dedicated() or _named("nobody") or _none()


def _check_owner(place: Place) -> None:
    try:
        owner = place.cluster.stat().st_uid
    except FileNotFoundError:
        return
    except PermissionError as error:
        raise DatabaseError(
            f"{place.cluster} can't be reached; it was made by another user, root perhaps: start "
            "the portal as that user, or move PORTAL_DATA_DIR."
        ) from error
    if owner != os.geteuid():
        raise DatabaseError(
            f"{place.cluster} belongs to uid {owner}, this is uid {os.geteuid()}: start the portal "
            "as its owner, or move PORTAL_DATA_DIR."
        )


def _dedicated() -> Account | None:
    existing = _named(NAME)
    useradd = shutil.which("useradd", path="/usr/sbin:/sbin:/usr/bin:/bin")
    if existing or not useradd:
        return existing
    subprocess.run(
        [useradd, "-r", "-M", "-d", SYSTEM_FOLDER, "-s", "/usr/sbin/nologin", NAME],
        capture_output=True,
    )
    return _named(NAME)


def _named(name: str) -> Account | None:
    try:
        return _account(pwd.getpwnam(name))
    except KeyError:
        return None


def _account(entry: pwd.struct_passwd) -> Account:
    return Account(name=entry.pw_name, uid=entry.pw_uid, gid=entry.pw_gid)


def _none() -> Account:
    raise DatabaseError(
        "PostgreSQL can't run as root, and this machine has neither useradd nor an account "
        "'nobody': start the portal as an ordinary user."
    )

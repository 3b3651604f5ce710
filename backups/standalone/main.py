"""The command's options, and what they lead to."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from uuid import UUID

from backups.repository import RepositoryError
from backups.standalone import (
    checking,
    exporting,
    finding,
    listing,
    rebuilding,
    sampling,
    wanted,
)
from backups.standalone.output import warn
from backups.standalone.session import Session
from backups.standalone.status import (
    DAMAGE,
    EXPLAINED,
    INTERRUPTED,
    OK,
    Unwritten,
    UsageError,
    status_of,
)

_DESCRIPTION = """\
Read a Stowage repository without the portal and its database: a folder, or s3://bucket/prefix.

What is in it opens with the installation's root key, or, of one tenant, with his recovery
passphrase, each in a file that nobody else may read (chmod 600). Nothing in it is changed.
"""
_EPILOG = f"""\
a tenant who leaves:
  python -m backups.repository mailboxes PLACE --recovery-passphrase-file F
  python -m backups.repository export PLACE --recovery-passphrase-file F --format usual --to DIR

a bucket: s3://bucket/prefix?endpoint=https://host&region=name, with AWS_ACCESS_KEY_ID,
AWS_SECRET_ACCESS_KEY and, where there is one, AWS_SESSION_TOKEN in the environment; the endpoint
may be left out for Amazon's own.

{EXPLAINED}
docs/leaving.md tells more, docs/repository-format.md what a repository is made of.
"""

COMMANDS: dict[str, tuple[Callable[[Session], int], str]] = {
    "info": (listing.info, "what is in the repository; needs no key"),
    "mailboxes": (listing.mailboxes, "mailboxes and their latest restore point"),
    "points": (listing.points, "restore points"),
    "ls": (listing.ls, "items at a restore point"),
    "cat": (listing.cat, "the bytes of one item, on standard output"),
    "export": (exporting.export, "every item at a restore point as a file, with a manifest"),
    "rebuild": (rebuilding.rebuild, "an index file, with which the others are fast and find finds"),
    "find": (finding.find, "items by words, people, subject, date, folder; in an index"),
    "check": (checking.check_all, "verify every object; with a key also every item"),
    "verify": (checking.verify, "as check, or of the items a sample"),
}
_FORMATS = (
    "fts: the stored bytes, as DIR/<mailbox>/<n>.fts (the default); usual: what each kind of item"
    " is opened in (.eml, .ics, .vcf), in folders as the mailbox had them; eml, msg, ics, vcf,"
    " json: that where it makes sense, else as usual"
)


def main(argv: Sequence[str] | None = None) -> int:
    arguments = _parser().parse_args(argv)
    try:
        status = _run(arguments)
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read the output has seen enough; Python would complain again at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK
    return status


def _run(arguments: argparse.Namespace) -> int:
    session: Session | None = None
    try:
        session = Session(arguments)
        status = COMMANDS[arguments.command][0](session)
    except KeyboardInterrupt:
        _clear(session)
        warn("interrupted")
        return INTERRUPTED
    except Unwritten as error:
        _clear(session)
        warn(f"{error}; the same command goes on where this one ended")
        return status_of(error)
    except (RepositoryError, UsageError) as error:
        _clear(session)
        warn(f"{arguments.path}: {error}")
        return status_of(error)
    return DAMAGE if session.damaged else status


def _clear(session: Session | None) -> None:
    if session is not None:
        session.progress.clear()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m backups.repository",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (_, explanation) in COMMANDS.items():
        command = commands.add_parser(name, help=explanation, description=f"{explanation}.")
        _add_common(command)
    _add_own(commands.choices)
    return parser


def _add_common(command: argparse.ArgumentParser) -> None:
    command.add_argument("path", metavar="PLACE", help="a folder, or s3://bucket/prefix")
    key = command.add_mutually_exclusive_group()
    key.add_argument("--root-key-file", type=Path, metavar="F", help="opens every tenant")
    explanation = "opens one tenant; the file's first line is the passphrase"
    key.add_argument("--recovery-passphrase-file", type=Path, metavar="F", help=explanation)
    command.add_argument("--tenant", type=UUID, metavar="ID", help="this one alone")
    explanation = "this one alone; its address will do where a key is given"
    command.add_argument("--mailbox", type=_mailbox, metavar="ID", help=explanation)
    explanation = "the restore point; without it the latest of each mailbox"
    command.add_argument("--point", type=_point, metavar="latest|N", help=explanation)
    explanation = "one JSON object on each line instead of a table"
    command.add_argument("--json", action="store_true", help=explanation)


def _add_own(commands: dict[str, argparse.ArgumentParser]) -> None:
    commands["cat"].add_argument("--item", metavar="ID", help="as ls names it")
    sampling.add_arguments(commands["verify"])
    for name in ("mailboxes", "points", "ls", "cat", "export", "find"):
        explanation = "what rebuild made: quick, and all but cat and export need no key then"
        commands[name].add_argument("--index", type=Path, metavar="FILE", help=explanation)
    explanation = "a new file, or one that an earlier rebuild made: it is brought up to date"
    commands["rebuild"].add_argument("--into", type=Path, metavar="FILE", help=explanation)
    explanation = "at any restore point, also what was deleted since"
    commands["find"].add_argument("--ever", action="store_true", help=explanation)
    wanted.add_arguments(commands["find"])
    wanted.add_arguments(commands["export"])
    export = commands["export"]
    explanation = "a new folder, or one that a broken off export left: then it is gone on with"
    export.add_argument("--to", type=Path, metavar="DIR", help=explanation)
    export.add_argument(
        "--format", choices=exporting.FORMATS, default=exporting.STORED, help=_FORMATS
    )


def _mailbox(text: str) -> UUID | str:
    return text if "@" in text else UUID(text)


def _point(text: str) -> int | None:
    return None if text == "latest" else int(text)

"""What the command says: rows or JSON lines on standard output, remarks on standard error."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from uuid import UUID

Row = Mapping[str, object]


def write_rows(rows: Iterable[Row], columns: Sequence[str], *, as_json: bool) -> int:
    """Each row as one line: a JSON object with all of it, or the columns between tabs.

    On a terminal the columns' names come first. Gives how many rows there were.
    """
    count = 0
    if not as_json and sys.stdout.isatty():
        write_line("\t".join(columns))
    for count, row in enumerate(rows, start=1):  # noqa: B007
        if as_json:
            write_json(row)
        else:
            write_line("\t".join(str(_plain(row.get(column, ""))) for column in columns))
    return count


def write_json(value: Row) -> None:
    """One object on one line, in ASCII."""
    sys.stdout.write(json.dumps(value, default=str_of) + "\n")


def write_line(line: str) -> None:
    sys.stdout.write(f"{printable(line)}\n")


def warn(message: str) -> None:
    sys.stderr.write(f"{printable(message)}\n")


def printable(line: str) -> str:
    """Names and subjects come from strangers; a terminal must not obey them."""
    return "".join(c if c.isprintable() or c == "\t" else "\N{REPLACEMENT CHARACTER}" for c in line)


def str_of(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def megabytes(size: float) -> str:
    return f"{size / 1e6:,.1f} MB"


def _plain(value: object) -> object:
    if value is None:
        return ""
    return str_of(value) if isinstance(value, UUID | datetime) else value

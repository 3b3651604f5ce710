"""Where a listing goes on: opaque to everybody else, kept encrypted by whoever keeps it."""

from __future__ import annotations

import json
from typing import cast

from backups.sources.errors import CursorExpired


def write(kind: str, **fields: object) -> str:
    return json.dumps({"ews": kind, **fields}, separators=(",", ":"), sort_keys=True)


def read(kind: str, cursor: str) -> dict[str, object]:
    """What ``write`` wrote. Raises CursorExpired for anything else, whoever wrote it."""
    try:
        fields = json.loads(cursor)
        if fields["ews"] == kind:
            return cast("dict[str, object]", fields)
    except (ValueError, KeyError, TypeError):
        pass
    raise CursorExpired("the kept cursor is not one of this listing")

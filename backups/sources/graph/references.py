"""Two mailboxes as one tree: ids of what lies in an archive, and the cursor of both."""

from __future__ import annotations

import binascii
import json
import zlib
from base64 import b64decode, b64encode
from collections.abc import Mapping
from typing import cast

from backups.sources.errors import CursorExpired
from backups.sources.graph.transport import JsonObject

ARCHIVE = "archive:"
"""Before the id of a folder or an item of the archive; alone it is the folder above them all."""
RECOVERABLE = "archive:recoverable"
"""The folder above the archive's recoverable items."""
_LONGEST = 64 * 1024 * 1024


def split(mailbox: str) -> tuple[str, str]:
    """(id of the mailbox, id of its archive or "") of what ``reference_of`` made."""
    primary, _, archive = mailbox.partition("+")
    return primary, archive


def bare(identity: str) -> str:
    """The id as the archive itself calls it."""
    return identity.removeprefix(ARCHIVE)


def in_archive(identity: str | None) -> bool:
    return identity is not None and identity.startswith(ARCHIVE)


def write(kind: str, **fields: object) -> str:
    return json.dumps({"graph": kind, **fields}, separators=(",", ":"), sort_keys=True)


def read(kind: str, cursor: str) -> JsonObject:
    """What ``write`` wrote. Raises CursorExpired for anything else, whoever wrote it."""
    try:
        fields = json.loads(cursor)
        if fields["graph"] == kind:
            return cast("JsonObject", fields)
    except (ValueError, KeyError, TypeError):
        pass
    raise CursorExpired("the kept cursor is not one of this listing")


def packed(known: Mapping[str, str]) -> str:
    """Ids with a text each, small: those of one folder have much in common."""
    lines = "\n".join(f"{identity} {key}" for identity, key in sorted(known.items()))
    return b64encode(zlib.compress(lines.encode())).decode()


def unpacked(value: object) -> dict[str, str]:
    """What ``packed`` made; nothing from None. Raises CursorExpired for anything else."""
    if value is None:
        return {}
    try:
        raw = zlib.decompressobj().decompress(b64decode(str(value)), _LONGEST)
        lines = raw.decode().split("\n") if raw else []
        return {identity: key for identity, _, key in (line.partition(" ") for line in lines)}
    except (binascii.Error, zlib.error, UnicodeDecodeError) as error:
        raise CursorExpired("the kept cursor can't be read") from error

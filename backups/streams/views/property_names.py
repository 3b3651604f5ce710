"""The names of properties, as MS-OXPROPS lists them.

The table beside this module has a line for each: id and name, or property set, number or string
and name, with tabs between them. Where several share an id, the one that a mailbox item has is
taken.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Final

from backups.streams.native.properties import PropertyName

_TABLE: Final = Path(__file__).with_suffix(".tsv")


def name_of(tag: int, name: PropertyName | None = None) -> str:
    """The property's name in MS-OXPROPS, such as PidTagSubject or PidLidLocation.

    ``tag`` is id << 16 | type. A property that is not in the list is named by its id as 0x0037,
    by its set and number as {set}/0x8208, or by its set and string as {set}/string.
    """
    if name is None:
        number = f"0x{tag >> 16:04X}"
        return _known().get(number[2:], number)
    if name.name is not None:
        key, shown = name.name.casefold(), name.name
    else:
        key, shown = f"{name.lid or 0:04x}", f"0x{name.lid or 0:04X}"
    return _known().get(f"{name.guid}\t{key}", f"{{{name.guid}}}/{shown}")


@functools.cache
def _known() -> dict[str, str]:
    known: dict[str, str] = {}
    for line in _TABLE.read_text(encoding="utf-8").splitlines():
        key, _, named = line.rpartition("\t")
        known[key.casefold() if "\t" in key else key] = named
    return known

"""Lines of a vCard that an item keeps as text, written into a card again."""

from __future__ import annotations

import binascii
from typing import Final

import pybase64

from backups.streams.contacts.lines import content_line, parse_line
from backups.streams.contacts.places import MEDIA_TYPES

_GONE: Final = frozenset({"AGENT", "CLASS", "LABEL", "MAILER", "NAME", "PROFILE", "SORT-STRING"})
"""Properties that vCard 4.0 has no more (RFC 6350 appendix A.2)."""

_ONCE: Final = frozenset({"BEGIN", "END", "VERSION", "PRODID", "N"})
"""What every card has from its writer, and only once."""


def written_again(text: str, *, new: bool) -> str:
    """The line for a card of version 4.0 (``new``) or 3.0; empty for one that is damaged."""
    line = parse_line(text)
    if line is None or line.name in _ONCE:
        return ""
    encoded = line.kinds & {"B", "BASE64"}
    if encoded:
        try:
            pybase64.b64decode(line.value, validate=True)
        except (binascii.Error, ValueError):
            return ""
    name = f"{line.group}.{line.name}" if line.group else line.name
    if not new:
        return content_line(name, ((k, v) for k, v in line.parameters if v), line.value)
    value = line.value
    parameters: list[tuple[str, tuple[str, ...]]] = []
    for key, values in line.parameters:
        if key == "TYPE":
            kinds = tuple(kind for one in values for kind in one.split(","))
            if "PREF" in map(str.upper, kinds):
                parameters.append(("PREF", ("1",)))
            values = tuple(kind.lower() for kind in kinds if kind.upper() != "PREF")
        if values and key != "ENCODING":
            parameters.append((key, values))
    if encoded:
        types = (MEDIA_TYPES[kind][0] for kind in sorted(line.kinds) if kind in MEDIA_TYPES)
        value = f"data:{next(types, 'application/octet-stream')};base64,{line.value}"
    if line.name in _GONE:
        name = f"X-{line.name}"
    return content_line(name, parameters, value)

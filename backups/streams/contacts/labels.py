"""The labels that Apple's address book gives to properties: item1.X-ABLabel beside item1.TEL."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from backups.streams.contacts import places
from backups.streams.contacts.lines import Line

STANDARD = re.compile(r"_?\$!<(.*)>!\$_?")
"""A label that Apple translates, such as _$!<Home>!$_."""


def labelled(lines: Sequence[Line]) -> list[Line]:
    """The lines, with their labels made types of theirs."""
    labels = {line.group: line.text for line in lines if line.group and line.name == "X-ABLABEL"}
    found = []
    for line in lines:
        label = labels.get(line.group, "")
        standard = STANDARD.fullmatch(label)
        label = standard[1] if standard else label
        if line.group and label and line.name == "X-ABDATE" and label.upper() == "ANNIVERSARY":
            line = replace(line, name="ANNIVERSARY")
        if line.group and label and line.name != "X-ABLABEL":
            kinds = places.LABELS.get(label.upper(), (label.upper(),))
            line = replace(line, kinds=line.kinds | set(kinds))
        found.append(line)
    return found

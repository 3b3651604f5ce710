"""What becomes of each object in a file that holds several."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from backups.streams.errors import MailError


@dataclass(frozen=True, slots=True)
class Made:
    """An object of a file: its stream, or the reason why there is none.

    ``label`` names it for people, such as "event 3, Stand-up". ``notes`` say what the stream
    holds as text only, because Outlook has no place for it.
    """

    label: str
    payload: bytes | None = None
    reason: str = ""
    notes: tuple[str, ...] = ()


def payloads(made: Iterable[Made]) -> list[bytes]:
    """The streams of all; raises the MailError of the first object that has none."""
    streams = []
    for entry in made:
        if entry.payload is None:
            raise MailError(f"{entry.label}: {entry.reason}")
        streams.append(entry.payload)
    return streams

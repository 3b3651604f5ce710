"""An exported item on its way to the repository, and back."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

from backups import streams
from backups.parts import CutItem, join


class ItemRefused(Exception):
    """The payload is not a whole item stream; the message says where it breaks."""


@dataclass(frozen=True, slots=True)
class Prepared:
    cut: CutItem
    item_class: str
    index: dict[str, object]


def prepare(payload: bytes) -> Prepared:
    """Validate, index and cut one exported item; its parts are joined again and compared.

    Raises ItemRefused: a damaged stream is never stored as if it were saved. A stream that is
    whole but says something unknown is stored all the same; its index notes what was not read.
    """
    try:
        stream = streams.open_stream(payload)
        with suppress(streams.StreamUnknown):
            stream.summary()
    except streams.StreamError as error:
        raise ItemRefused(f"damaged stream: {error}") from error
    index = stream.index()
    cut = stream.cut()
    if join(cut.recipe, [part.data for part in cut.parts]) != payload:
        raise ItemRefused("its parts do not join to the same bytes; this is a defect, report it")
    return Prepared(cut, index.item_class, index.to_record())

"""An exported item on its way to the repository."""

from __future__ import annotations

import logging
from contextlib import suppress
from dataclasses import dataclass

from backups import streams
from backups.parts import CutItem
from backups.sources import Payload

log = logging.getLogger(__name__)


class ItemRefused(Exception):
    """The payload is not a whole item; the message says where it breaks."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """``item_class`` is empty and ``index`` notes why where the stream was not understood."""

    cut: CutItem
    item_class: str
    index: dict[str, object]


def prepare(payload: Payload) -> Prepared:
    """Validate, index and cut one exported item; its parts are joined again and compared.

    The parts are made from ``payload`` when they are asked for, so that it stays the only copy.

    Raises ItemRefused: a damaged stream is never stored as if it were saved. A stream that is
    whole but can't be understood is stored all the same, in one piece where it can't be cut.
    """
    try:
        stream = streams.open_item(payload)
        with suppress(streams.StreamUnknown):
            stream.check()
    except streams.StreamError as error:
        raise ItemRefused(f"damaged stream: {error}") from error
    try:
        index, cut = stream.index(), stream.cut()
        if cut.matches(payload):
            return Prepared(cut, index.item_class, index.to_record())
        reason = "its parts did not join to the same bytes"
    except Exception as error:  # a defect of the decoder costs the index, not the item
        log.exception("an item of %d bytes is stored without being understood", len(payload))
        reason = f"it could not be read ({type(error).__name__})"
    note = f"Stored in one piece: {reason}."
    return Prepared(streams.cut_whole(payload), "", {"notes": [note]})

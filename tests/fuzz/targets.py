"""What is done with any bytes, by hypothesis and by atheris alike: all that the room offers.

A target returns when it is satisfied, and raises what no input may bring about: anything but the
room's own errors with a place, or an answer that contradicts itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from backups.parts import CutItem, Recipe, RecipeError, joined
from backups.streams import (
    MailError,
    StreamError,
    cut,
    cut_mime,
    decode_export,
    export_file,
    formats_for,
    from_mime,
    index_record,
    item_view,
    normalised_digest,
    open_stream,
    read_ics,
    read_item,
    read_msg,
    read_vcard,
    to_eml,
    validate,
    write_item,
    write_json,
)
from backups.streams.outlook.tnef import read_tnef

from ..streams.samples import framed

Target = Callable[[bytes], None]


def stream(payload: bytes) -> None:
    """The bytes as a payload: read, indexed, cut and joined."""
    for ask in (validate, read_item, normalised_digest):
        try:
            ask(payload)
        except StreamError as error:
            _placed(error, payload)
    try:
        item = cut(payload)
    except StreamError as error:
        _placed(error, payload)
    else:
        _joins(item, payload)
    record = index_record(payload)
    assert record == type(record).from_record(record.to_record())
    try:
        again = read_item(payload)
    except StreamError:
        return
    if open_stream(payload).container.regular:
        assert write_item(again) == payload


def content(raw: bytes) -> None:
    """The bytes as the content of a sound container, one byte in the first buffer."""
    stream(framed(raw, min(1, len(raw))) if raw else framed(raw))


def shown(raw: bytes) -> None:
    """The bytes as content, looked at and written in every format that its kind has."""
    payload = framed(raw)
    item_view(payload)
    for write in (to_eml, _json):
        try:
            write(payload)
        except StreamError as error:
            _placed(error, payload)
    for form in formats_for(index_record(payload).item_class):
        try:
            for piece in export_file(payload, form).pieces:
                len(piece)
        except StreamError as error:
            _placed(error, payload)


def base64(text: bytes) -> None:
    """The bytes as an exported item."""
    try:
        decode_export(text)
    except StreamError as error:
        _placed(error, text)


def mime(raw: bytes) -> None:
    """The bytes as a mail: made into an item, and cut as it is."""
    _joins(cut_mime(raw), raw)
    try:
        payload = from_mime(raw)
    except MailError:
        return
    made(payload)
    to_eml(payload)


def ics(raw: bytes) -> None:
    _made_by(read_ics, raw)


def vcard(raw: bytes) -> None:
    _made_by(read_vcard, raw)


def msg(raw: bytes) -> None:
    _made_by(lambda data: [read_msg(data)], raw)


def tnef(raw: bytes) -> None:
    _made_by(lambda data: [read_tnef(data)], raw)


def recipe(raw: bytes) -> None:
    """The bytes as numbers of a recipe for two small parts."""
    numbers = list(raw)
    record = [
        numbers.pop() % 4 if numbers else 0,
        len(numbers) % 3,
        len(numbers) % 5,
        [numbers[at : at + 2] for at in range(0, len(numbers) // 2, 2)],
        [numbers[at : at + 4] for at in range(len(numbers) // 2, len(numbers), 4)],
    ]
    parts = [b"skeleton", b"part"]
    try:
        total = sum(map(len, joined(Recipe.from_record(record), parts)))
    except RecipeError:
        return
    assert total <= 9 * 2 * sum(map(len, parts))


def made(payload: bytes) -> None:
    """A stream that we have made is whole, and shown without a complaint of the stream."""
    validate(payload)
    _joins(cut(payload), payload)
    item_view(payload)


TARGETS: Final[dict[str, Target]] = {
    "stream": stream,
    "content": content,
    "shown": shown,
    "base64": base64,
    "mime": mime,
    "ics": ics,
    "vcard": vcard,
    "msg": msg,
    "tnef": tnef,
    "recipe": recipe,
}


def _made_by(read: Callable[[bytes], Iterable[object]], raw: bytes) -> None:
    try:
        found = list(read(raw))
    except MailError:
        return
    for each in found:
        payload = getattr(each, "payload", None)
        if payload is not None:
            made(payload)


def _json(payload: bytes) -> None:
    for piece in write_json(payload):
        len(piece)


def _joins(item: CutItem, payload: bytes) -> None:
    assert item.matches(payload)
    assert Recipe.from_record(item.recipe.to_record()) == item.recipe


def _placed(error: StreamError, payload: bytes) -> None:
    assert 0 <= error.offset <= len(payload), error

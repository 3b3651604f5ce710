"""Real calendars, cards and Outlook files: each object becomes a stream or is named."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import icalendar
import pytest

from backups.parts import join
from backups.streams import (
    Made,
    MailError,
    export_file,
    index_record,
    open_stream,
    read_ics,
    read_item,
    write_item,
)

from .conftest import corpus_files

pytestmark = pytest.mark.corpus

Reader = Callable[[bytes], Iterator[Made]]


def objects(kind: str, read: Reader) -> Iterator[tuple[Path, Made]]:
    """Every object of every file; of a file without any, one whose label is empty."""
    for path in corpus_files(kind):
        try:
            for made in read(path.read_bytes()):
                assert (made.payload is None) == bool(made.reason), path
                yield path, made
        except MailError as error:
            yield path, Made("", reason=str(error))


def proven(path: Path, payload: bytes) -> None:
    stream = open_stream(payload)
    stream.summary()
    item = stream.cut()
    assert join(item.recipe, [part.data for part in item.parts]) == payload, path
    assert write_item(stream.item()) == payload, path
    assert stream.index().notes == (), path


def by_reason(refused: list[str]) -> dict[str, int]:
    """How often each kind of reason was given."""
    counts: dict[str, int] = {}
    for reason in refused:
        known = next((k for k in ICS_REASONS if k in reason), reason)
        counts[known] = counts.get(known, 0) + 1
    return counts


ICS_REASONS = {
    "it has no DTSTART": 91,
    "is no item": 38,
    "holds no calendar object": 57,
    "is no date": 13,
    "Wrong datetime format": 3,
    "it ends before": 1,
}
"""Why objects of the corpus' 550 calendar files are not made, and of how many."""


def test_every_calendar_object_becomes_a_stream_or_is_named():
    refused = []
    made_count = 0
    for path, made in objects("ics", read_ics):
        if made.payload is None:
            refused.append(made.reason)
            continue
        made_count += 1
        proven(path, made.payload)
    assert made_count > 4100
    assert by_reason(refused) == ICS_REASONS


def test_calendar_objects_are_written_so_that_they_read_the_same():
    """icalendar reads what is written; the key fields are those of the item."""
    for path, made in objects("ics", read_ics):
        if made.payload is None:
            continue
        file = export_file(made.payload)
        suffix, raw = file.suffix, file.content()
        assert suffix == ".ics", path
        components = [c for c in icalendar.Calendar.from_ical(raw).subcomponents if c.get("UID")]
        record = index_record(made.payload)
        written = str(components[0].get("SUMMARY"))
        assert written.replace("\n", "") == record.subject.replace("\r\n", ""), path
        (again, *_) = read_ics(raw)
        assert again.payload is not None, (path, again.reason)
        back = index_record(again.payload)
        assert (back.start_at, back.to) == (record.start_at, record.to), path
        first, second = read_item(made.payload), read_item(again.payload)
        for tag in (0x1000, 0x0036, 0x0017):
            # The words of an item that has HTML alone are written beside it.
            assert value(first, tag) in (None, value(second, tag)), path


def value(item: object, tag: int) -> object:
    found = item.find(tag)  # type: ignore[attr-defined]
    return None if found is None else found.value

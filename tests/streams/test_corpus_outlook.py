"""Real message files and stores, read a second and a third time by readers that are not ours."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pypff
import pytest
from aspose.email_foss.msg import MapiMessage

from backups.streams import (
    Item,
    StoreItem,
    open_stream,
    read_item,
    read_msg,
    read_store,
    to_msg,
    write_item,
)

from .conftest import corpus_files
from .outlook_files import Properties, Seen, in_unicode, seen_in_file, seen_in_item

pytestmark = pytest.mark.corpus

DAMAGED = {
    "clusterfuzz-testcase-minimized-POIHSMFFuzzer-4735011465854976.msg",
    "clusterfuzz-testcase-minimized-POIHSMFFuzzer-4848576776503296.msg",
    "clusterfuzz-testcase-minimized-POIHSMFFuzzer-5336473854148608.msg",
    "unknown_properties.msg",
}
"""Files whose lists of properties are damaged, so that two readers may differ about them."""

INCOMPLETE = {"Test_at_sign_in_personal_From_header.msg"}
"""A file that lists a value which it does not hold."""

ADDED = {(0x340D, 3), (0x001A, 0x1F), (0x0E21, 3), (0x3000, 3), (0x3705, 3)}
"""What a written file has even when the stream has not: the mark of Unicode strings, the class,
numbers of attachments and recipients, how an attachment is attached."""


def message_files() -> Iterator[tuple[Path, bytes, Item]]:
    for path in corpus_files("msg"):
        made = read_msg(path.read_bytes())
        assert made.payload is not None, (path, made.reason)
        assert bool(made.notes) == (path.name in DAMAGED | INCOMPLETE), (path, made.notes)
        yield path, made.payload, read_item(made.payload)


def count(seen: Seen) -> int:
    inside = sum(len(p) + (count(inner) if inner else 0) for p, inner in seen.attachments)
    return len(seen.properties) + sum(map(len, seen.recipients)) + inside


def test_message_files_have_the_properties_that_an_independent_reader_finds():
    compared = 0
    for path, payload, item in message_files():
        assert write_item(open_stream(payload).item()) == payload, path
        if path.name in DAMAGED:
            continue
        theirs = seen_in_file(path.read_bytes())
        assert seen_in_item(item) == theirs, path
        compared += count(theirs)
    assert compared == 9533


def differences(ours: Properties, theirs: Properties) -> list[object]:
    added = {key for key in theirs if key not in ours} - ADDED
    return [key for key in ours if key[0] != 0x340D and theirs.get(key) != ours[key]] + [*added]


def all_differences(ours: Seen, theirs: Seen) -> list[object]:
    found = differences(ours.properties, theirs.properties)
    for first, second in zip(ours.recipients, theirs.recipients, strict=True):
        found += differences(first, second)
    for one, other in zip(ours.attachments, theirs.attachments, strict=True):
        found += differences(one[0], other[0])
        assert (one[1] is None) == (other[1] is None)
        if one[1] is not None and other[1] is not None:
            found += all_differences(one[1], other[1])
    return found


def test_written_message_files_have_the_properties_of_their_streams():
    for path, payload, item in message_files():
        written = to_msg(payload)
        assert all_differences(seen_in_item(in_unicode(item)), seen_in_file(written)) == [], path
        again = read_msg(written)
        assert again.payload is not None
        assert again.notes == (), path
        assert to_msg(again.payload) == written, path


def test_items_of_stores_become_message_files_with_the_same_properties():
    for path in corpus_files("pst"):
        for found in items_of(path):
            assert found.made.payload is not None
            ours = seen_in_item(in_unicode(read_item(found.made.payload)))
            theirs = seen_in_file(to_msg(found.made.payload))
            assert all_differences(ours, theirs) == [], (path, found.made.label)


def test_another_library_opens_written_message_files_strictly():
    for path, payload, item in message_files():
        with tempfile.NamedTemporaryFile(suffix=".msg") as file:
            file.write(to_msg(payload))
            file.flush()
            message = MapiMessage.from_file(file.name, strict=True)
            assert message.validation_issues == (), path
            theirs = {
                (p.named.lid if p.named.name is None else p.named.name, p.property_type)
                if p.named
                else (p.property_id, p.property_type)
                for p in message.iter_properties()
            }
            ours = {
                (key[1] if isinstance(key, tuple) else key, kind)
                for key, kind in seen_in_item(in_unicode(item)).properties
            }
            assert ours - theirs == set(), path
            assert theirs - ours <= ADDED, path
            subject = item.find(0x37)
            if subject is not None:
                assert message.subject == subject.value, path
            assert len(message.recipients) == len(item.recipients), path
            assert len(message.attachments) == len(item.attachments), path
            message.close()


def test_strings_of_bytes_are_read_by_the_language_of_their_message():
    """What these files say was written into them by their makers, as their names tell."""
    subjects = {
        path.name: item.find(0x37).value  # type: ignore[union-attr]
        for path, _, item in message_files()
        if path.name.startswith(("ASCII", "HTMLBody", "cyrillic", "chinese-trad"))
    }
    assert subjects == {
        "ASCII_CP1251_LCID1049.msg": "Subject автоматически Subject",
        "ASCII_UTF-8_CP1252_LCID1031.msg": "Subject öäü Subject",
        "ASCII_UTF-8_CP1252_LCID1031_HTML.msg": "Subject öäü Subject",
        "HTMLBodyBinary_CP1251.msg": "Subject öäü Subject",
        "HTMLBodyBinary_UTF-8.msg": "Subject öäü Subject",
        "chinese-traditional.msg": "Alfresco MSG format testing ( MSG 格式測試 )",
        "cyrillic_message.msg": (
            'Автоматический ответ подсистемы обмена данными ФГУП "Почта России".'
        ),
    }


STORES = {
    "Empty.pst": {},
    "dist-list.pst": {"IPM.Appointment": 1, "IPM.DistList": 1, "IPM.Contact": 1, "FreeBusy": 1},
    "passworded.pst": {"IPM.DistList": 1, "IPM.Contact": 1, "FreeBusy": 1},
    "testPST.pst": {"IPM.Note": 7},
    "testPST_variousBodyTypes.pst": {"IPM.Note": 4},
}
"""The items of each store by class."""


def items_of(path: Path) -> list[StoreItem]:
    found = list(read_store(path))
    assert all(item.made.payload is not None and item.made.notes == () for item in found), path
    return found


def test_stores_give_all_their_items_with_their_folders():
    for path in corpus_files("pst"):
        counts: dict[str, int] = {}
        for item in items_of(path):
            kind = item.item_class.removeprefix("IPM.Microsoft.ScheduleData.")
            counts[kind] = counts.get(kind, 0) + 1
            assert item.made.payload is not None
            stream = open_stream(item.made.payload)
            assert write_item(stream.item()) == item.made.payload
            assert stream.index().notes == ()
        assert counts == STORES[path.name], path
        if path.name == "testPST_variousBodyTypes.pst":
            assert {item.folder for item in items_of(path)} == {("Inbox", "tmp")}


def folders_of(folder: object) -> Iterator[object]:
    yield folder
    for inner in folder.sub_folders:  # type: ignore[attr-defined]
        yield from folders_of(inner)


def test_stores_give_as_many_items_as_their_folders_count():
    """PidTagContentCount, which Outlook keeps; search folders (type 3) list items of others."""
    for path in corpus_files("pst"):
        store = pypff.file()
        store.open(str(path))
        counted = 0
        for folder in folders_of(store.get_root_folder()):
            if folder.identifier & 0x1F == 2:  # type: ignore[attr-defined]
                row = folder.get_record_set(0)  # type: ignore[attr-defined]
                counted += row.get_entry_by_type(0x3602, 3).get_data_as_integer()
        assert len(items_of(path)) == counted, path


def messages_of(folder: object) -> Iterator[object]:
    yield from folder.sub_messages  # type: ignore[attr-defined]
    for inner in folder.sub_folders:  # type: ignore[attr-defined]
        yield from messages_of(inner)


def test_items_of_stores_are_what_libpff_itself_says_of_them():
    """Its own accessors, which read no named property and no embedded message."""
    compared = 0
    for path in corpus_files("pst"):
        store = pypff.file()
        store.open(str(path))
        theirs = list(messages_of(store.get_root_folder()))
        for message, found in zip(theirs, items_of(path), strict=True):
            # Outlook's own settings are an item to it, without the accessors of a message.
            if type(message) is not pypff.message:
                continue
            assert found.made.payload is not None
            item = read_item(found.made.payload)
            compared += 1
            assert value(item, 0x37) == message.subject, path
            assert value(item, 0x0C1A) == message.sender_name, path
            assert value(item, 0x70) == message.conversation_topic, path
            assert value(item, 0x007D) == message.transport_headers, path
            assert len(item.attachments) == message.number_of_attachments, path
            html = item.find(0x1013)
            assert (html.value if html else None) == message.html_body, path
            row = message.get_record_set(0)
            plain = {p.id for p in item.properties if p.name is None}
            named = sum(p.name is not None for p in item.properties)
            listed = {entry.entry_type for entry in row.entries}
            assert plain - {0x3D} == {n for n in listed if n < 0x8000} - {0x3D}, path
            assert named == sum(n >= 0x8000 for n in listed), path
    assert compared == 16


def value(item: Item, number: int) -> object:
    found = item.find(number)
    return None if found is None else found.value


def test_messages_inside_messages_of_a_store_are_read():
    """Apache Tika's store ends with a forwarded message that holds a Word file."""
    (path,) = (p for p in corpus_files("pst") if p.name == "testPST.pst")
    payload = items_of(path)[-1].made.payload
    assert payload is not None
    inner = read_item(payload).attachments[0].embedded
    assert inner is not None
    assert value(inner, 0x37) == "First email"
    (file,) = inner.attachments
    names = {p.id: p.value for p in file.properties if p.id in (0x3707, 0x3701)}
    assert str(names[0x3707]).endswith(".docx")
    assert bytes(names[0x3701])[:4] == b"PK\x03\x04"  # type: ignore[arg-type]


def test_changed_occurrences_of_a_series_in_a_store_are_read():
    (path,) = (p for p in corpus_files("pst") if p.name == "dist-list.pst")
    (event,) = (i for i in items_of(path) if i.item_class == "IPM.Appointment")
    assert event.folder == ("Calendar",)
    assert event.made.payload is not None
    item = read_item(event.made.payload)
    assert [a.embedded is not None for a in item.attachments] == [True, True]
    inner = item.attachments[0].embedded
    assert inner is not None
    assert str(value(inner, 0x1A)).startswith("IPM.OLE.CLASS")

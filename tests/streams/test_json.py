"""Every property of an item as JSON."""

from __future__ import annotations

import base64
import hashlib
import json
import tracemalloc

import pytest

from backups.streams import (
    Attachment,
    Item,
    Property,
    StreamError,
    normalised_digest,
    write_item,
    write_json,
)
from backups.streams.native import tags
from backups.streams.native.properties import CURRENCY, ERROR_CODE, FLOATING64

from .samples import BUILD, INTEGER64, UNICODE, framed, from_hex, golden, letter

AWKWARD = 'quote " back \\ line\n\u2028 \U0001f600'


def told(payload: bytes, *, whole: bool = False) -> dict[str, object]:
    return json.loads(b"".join(write_json(payload, whole=whole)))


def test_the_golden_stream_is_told_property_by_property():
    found = told(golden())
    assert list(found) == ["format", "size", "server_build", "digest", "fault", "message"]
    assert found["format"] == "stowage-item-1"
    assert found["size"] == len(golden())
    assert found["server_build"] == "15.20.4566.6022"
    assert found["digest"] == normalised_digest(golden()).hex()
    assert found["fault"] is None
    message = found["message"]
    assert list(message) == ["properties", "recipients", "attachments"]
    properties = {entry["name"]: entry for entry in message["properties"]}
    assert properties["PidTagSubject"] == {
        "tag": "0x003784B0",
        "name": "PidTagSubject",
        "type": "String",
        "code_page": 1200,
        "value": "Hi!",
    }
    assert properties["PidTagImportance"]["value"] == 2
    assert properties["PidTagReadReceiptRequested"]["value"] is True
    assert properties["PidTagClientSubmitTime"]["value"] == "2010-03-31T21:14:04Z"
    assert properties["PidTagConversationIndex"]["base64"] == "AcoJ"
    assert (properties["PidTagBody"]["code_page"], properties["PidTagBody"]["value"]) == (
        1252,
        "caf…",
    )
    keywords = properties["PidNameKeywords"]
    assert (keywords["type"], keywords["string"], keywords["value"]) == (
        "MultipleString",
        "Keywords",
        ["a", "bc"],
    )
    assert message["recipients"][0]["properties"][2]["value"] == "b@e.o"
    first, second = message["attachments"]
    assert list(first) == ["properties"]
    assert second["message"]["properties"][0]["value"] == "In"


@pytest.mark.parametrize(
    ("kind", "value", "told_as"),
    [
        (INTEGER64, 2**60 + 1, "1152921504606846977"),
        (CURRENCY, -12345, "-1.2345"),
        (CURRENCY, 5, "0.0005"),
        (ERROR_CODE, 0x8004010F, "0x8004010F"),
        (FLOATING64, float("nan"), "nan"),
        (FLOATING64, 0.5, 0.5),
        (
            UNICODE,
            'quote " back \\ line\n\u2028 \U0001f600',
            'quote " back \\ line\n\u2028 \U0001f600',
        ),
    ],
)
def test_no_value_loses_a_digit_in_a_reader(kind: int, value: object, told_as: object):
    item = Item([Property.of(0x6001, kind, value)])
    (entry,) = told(write_item(item, build=BUILD))["message"]["properties"]
    assert entry["value"] == told_as


def test_a_large_binary_value_is_given_by_its_hash_unless_all_is_asked_for():
    data = bytes(range(256)) * 5000
    payload = write_item(letter(attachment=data), build=BUILD)
    entry = told(payload)["message"]["attachments"][0]["properties"][1]
    assert entry["size"] == len(data)
    assert entry["sha256"] == hashlib.sha256(data).hexdigest()
    entry = told(payload, whole=True)["message"]["attachments"][0]["properties"][1]
    assert base64.b64decode(entry["base64"]) == data


def test_a_long_text_is_told_whole_also_where_it_is_cut_inside_a_character():
    text = "x" + '\U0001f600 "\\\n' * 200_000
    payload = write_item(letter(body=text), build=BUILD)
    values = [entry.get("value") for entry in told(payload)["message"]["properties"]]
    assert text in values


def test_what_can_not_be_read_is_given_as_bytes_with_the_reason():
    # 0x6001 as a time beyond the year 9999, 0x6002 as text in a code page that is none.
    content = from_hex("4000 0160 FFFFFFFFFFFFFFFF  0F87 0260 03000000 616200")
    far, unknown = told(framed(content))["message"]["properties"]
    assert base64.b64decode(far["base64"]) == b"\xff" * 8
    assert far["problem"]
    assert unknown["problem"] == "unknown code page 1807"
    assert base64.b64decode(unknown["base64"]) == b"ab\0"


def test_a_stream_that_ends_early_is_told_as_far_as_it_goes():
    content = from_hex("0300 1700 02000000  B084 3700 40000000 4800")
    found = told(framed(content))
    assert "a value of 64 bytes" in found["fault"]
    assert found["digest"] is None
    assert [entry["value"] for entry in found["message"]["properties"]] == [2]


def test_bytes_that_are_no_stream_are_refused():
    with pytest.raises(StreamError):
        list(write_json(b"no stream"))


def test_messages_a_hundred_levels_deep_are_told():
    item = Item([Property.of(tags.SUBJECT, UNICODE, "innermost")])
    for _ in range(100):
        item = Item([], attachments=[Attachment([], item)])
    text = b"".join(write_json(write_item(item, build=BUILD)))
    assert b'"innermost"' in text
    assert text.count(b'"message": {') == 101


def test_a_large_item_takes_no_memory_of_its_size():
    payload = write_item(letter(attachment=bytes(64_000_000)), build=BUILD)
    tracemalloc.start()
    size = sum(map(len, write_json(payload, whole=True)))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert size > 85_000_000
    assert peak < 16_000_000


def test_the_same_item_gives_the_same_text():
    payload = write_item(letter(), build=BUILD)
    assert list(write_json(payload)) == list(write_json(payload))

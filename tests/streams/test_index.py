from __future__ import annotations

from datetime import UTC, datetime

import msgpack
import pytest

from backups.streams import IndexRecord, Item, Property, Recipient, index_record, write_item
from backups.streams.native import names, tags
from backups.streams.native.properties import (
    BINARY,
    BOOLEAN,
    INTEGER32,
    MULTIPLE,
    STRING,
    TIME,
    UNICODE,
)

from .samples import BUILD, KEYWORDS, SENT, letter


def record_of(item: Item) -> IndexRecord:
    return index_record(write_item(item, build=BUILD))


def test_the_facts_of_a_mail_are_indexed() -> None:
    received = datetime(2010, 3, 31, 21, 14, 9, 500_000, tzinfo=UTC)
    extra = [
        Property.of(tags.IMPORTANCE, INTEGER32, 2),
        Property.of(tags.MESSAGE_DELIVERY_TIME, TIME, received),
        Property.of(0x8001, MULTIPLE | STRING, ["Red", "Travel"], KEYWORDS),
        Property.of(tags.CONVERSATION_INDEX, BINARY, bytes(6) + b"\xab" * 16),
    ]
    item = letter(extra=extra, attachment=b"12345", embedded=letter())
    item.recipients.append(_recipient(2, "Cleo", ""))
    payload = write_item(item, build=BUILD)

    record = index_record(payload)

    assert record.item_class == "IPM.Note"
    assert record.subject == "Plans for März"
    assert (record.sender_name, record.sender_address) == ("Anna", "anna@acme.example")
    assert (record.to, record.cc) == ("Ben <ben@acme.example>", "Cleo")
    assert (record.sent_at, record.received_at) == (SENT, received)
    assert record.size == len(payload)
    assert (record.is_read, record.importance) == (True, 2)
    assert record.categories == ("Red", "Travel")
    assert record.has_attachments
    assert record.attachments[0] == ("plan.pdf", 5)
    assert record.message_id == "<plans@acme.example>"
    assert record.conversation == "ab" * 16
    assert record.notes == ()


def test_a_record_survives_being_stored() -> None:
    record = record_of(letter(extra=[Property.of(0x8001, MULTIPLE | STRING, ["R"], KEYWORDS)]))

    stored = msgpack.unpackb(msgpack.packb(record.to_record()))

    assert IndexRecord.from_record(stored) == record
    assert stored["sent_at"] == 1_270_070_044_000_000


def test_a_record_of_a_later_version_is_read_as_far_as_it_is_known() -> None:
    stored = {**IndexRecord(subject="S").to_record(), "mood": "fine"}

    assert IndexRecord.from_record(stored) == IndexRecord(subject="S")


@pytest.mark.parametrize(
    "wrong", [{"sent_at": "yesterday"}, {"attachments": [["a"]]}, {"notes": 5}, {"sent_at": 10**30}]
)
def test_what_is_no_record_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="not an index record"):
        IndexRecord.from_record(wrong)


def test_an_empty_item_has_an_empty_record() -> None:
    record = record_of(Item([Property.of(tags.IMPORTANCE, INTEGER32, 77)]))

    assert (record.subject, record.to, record.conversation) == ("", "", "")
    assert (record.sent_at, record.importance, record.is_read) == (None, 1, False)


def test_an_address_of_exchange_is_shown_where_there_is_no_other() -> None:
    item = Item(
        [
            Property.of(tags.SENDER_NAME, UNICODE, "Anna"),
            Property.of(tags.SENDER_ADDRESS_TYPE, UNICODE, "EX"),
            Property.of(tags.SENDER_EMAIL_ADDRESS, UNICODE, "/o=Acme/cn=anna"),
        ]
    )

    record = record_of(item)

    assert (record.sender_name, record.sender_address) == ("Anna", "/o=Acme/cn=anna")


def test_display_to_is_used_where_there_are_no_recipients() -> None:
    item = Item([Property.of(tags.DISPLAY_TO, UNICODE, "Ben; Cleo")])

    assert record_of(item).to == "Ben; Cleo"


def test_hidden_attachments_are_not_listed() -> None:
    item = letter()
    item.attachments[0].properties.append(Property.of(tags.ATTACHMENT_HIDDEN, BOOLEAN, True))

    record = record_of(item)

    assert (record.has_attachments, record.attachments) == (False, ())


def test_a_crowd_of_recipients_is_cut_short() -> None:
    item = letter()
    item.recipients = [_recipient(1, f"Person {n}", f"p{n}@acme.example") for n in range(5000)]

    assert len(record_of(item).to) == 4000


def _recipient(kind: int, name: str, address: str) -> Recipient:
    return Recipient(
        [
            Property.of(tags.RECIPIENT_TYPE, INTEGER32, kind),
            Property.of(tags.DISPLAY_NAME, UNICODE, name),
            Property.of(tags.SMTP_ADDRESS, UNICODE, address),
        ]
    )


def test_flags_and_the_private_side_of_a_mail_are_indexed() -> None:
    extra = [
        Property.of(tags.FLAG_STATUS, INTEGER32, 2),
        Property.of(tags.LAST_VERB_EXECUTED, INTEGER32, 104),
        Property.of(tags.SENSITIVITY, INTEGER32, 2),
    ]
    item = letter(extra=extra)
    item.properties = [p for p in item.properties if p.id != tags.MESSAGE_FLAGS]
    item.properties.append(Property.of(tags.MESSAGE_FLAGS, INTEGER32, 8))
    item.recipients.append(_recipient(3, "Dora", "dora@acme.example"))

    record = record_of(item)

    assert (record.is_read, record.is_draft, record.is_flagged) == (False, True, True)
    assert (record.last_action, record.sensitivity) == ("forwarded", 2)
    assert record.bcc == "Dora <dora@acme.example>"
    assert not record_of(letter()).is_flagged


def test_contacts_and_distribution_lists_are_found_by_the_addresses_in_them() -> None:
    # MS-OXCDATA 2.2.5.1: flags, provider, version, bits, then name, type and address in UTF-16.
    member = bytes.fromhex(
        "00000000 812b1fa4bea310199d6e00dd010f5402 0000 0190"
        "42006500 6e000000 53004d00 54005000 0000 62004000 65002e00 6f000000"
    )
    wrapped = bytes.fromhex("00000000 c091add3519dcf11a4a900aa0047faa4 b0") + member
    group = Item(
        [
            Property.of(tags.MESSAGE_CLASS, UNICODE, "IPM.DistList"),
            Property.of(
                0x8001,
                MULTIPLE | BINARY,
                [member, wrapped, b"damaged"],
                names.DISTRIBUTION_LIST_ONE_OFF_MEMBERS,
            ),
        ]
    )
    contact = Item(
        [
            Property.of(tags.MESSAGE_CLASS, UNICODE, "IPM.Contact"),
            Property.of(0x8001, UNICODE, "cleo@acme.example", names.email(0, 3)),
            Property.of(0x8002, UNICODE, "cleo@home.example", names.email(2, 3)),
        ]
    )

    assert record_of(group).people == "Ben <b@e.o>; Ben <b@e.o>"
    assert record_of(contact).people == "cleo@acme.example; cleo@home.example"


def test_what_an_item_does_not_say_takes_no_room_in_its_record() -> None:
    assert set(IndexRecord(subject="S", size=7).to_record()) == {"subject", "size"}

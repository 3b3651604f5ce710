"""Ids as Exchange Server writes them, over those of the store.

An id names its mailbox and what is in it, in base64 with the standard alphabet (Graph's ids are
in the one for URLs). A change key has the store's digest under another first byte. So the two
ways to a mailbox never give the same id, and neither takes the other's.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass

from sandbox.ews.errors import EwsError

_PREFIX = b"\x00\x03\x24\x00"
_MIDDLE = b"\x00\x46\x00\x00\x00\x00\x00"
_GUID = 36
_ENTRY = 40
_NUMBER = 4
_STORE_KEY, _KEY = b"\x09", b"\x11"


@dataclass(frozen=True, slots=True)
class Reference:
    """What an id stands for: ``guid`` of the mailbox, and the store's ``id`` in it."""

    guid: str
    id: str


def mailbox_guid(mailbox: str) -> str:
    """The GUID in a mailbox id (``MBX:guid@directory``)."""
    return mailbox.removeprefix("MBX:").partition("@")[0]


def write_id(mailbox: str, identity: str) -> str:
    entry = base64.urlsafe_b64decode(identity)[len(_PREFIX) :]
    whole = _PREFIX + mailbox_guid(mailbox).encode("ascii") + _MIDDLE + entry
    return base64.b64encode(whole).decode("ascii")


def read_id(text: str) -> Reference:
    """Raises EwsError ErrorInvalidIdMalformed."""
    raw = _decoded(text, "ErrorInvalidIdMalformed")
    head = len(_PREFIX) + _GUID
    if len(raw) != head + len(_MIDDLE) + _ENTRY or raw[head : head + len(_MIDDLE)] != _MIDDLE:
        raise EwsError("ErrorInvalidIdMalformed")
    identity = base64.urlsafe_b64encode(_PREFIX + raw[-_ENTRY:]).decode("ascii")
    return Reference(raw[len(_PREFIX) : head].decode("latin-1"), identity)


def write_attachment_id(mailbox: str, identity: str, number: int) -> str:
    whole = base64.b64decode(write_id(mailbox, identity)) + number.to_bytes(_NUMBER, "big")
    return base64.b64encode(whole).decode("ascii")


def read_attachment_id(text: str) -> tuple[str, int]:
    """(the item's id, number from 0). Raises EwsError ErrorInvalidIdMalformed."""
    raw = _decoded(text, "ErrorInvalidIdMalformed")
    item = base64.b64encode(raw[:-_NUMBER]).decode("ascii")
    return item, int.from_bytes(raw[-_NUMBER:], "big")


def write_change_key(change_key: str) -> str:
    return base64.b64encode(_KEY + base64.b64decode(change_key)[1:]).decode("ascii")


def read_change_key(text: str) -> str:
    """Raises EwsError ErrorInvalidChangeKey."""
    raw = _decoded(text, "ErrorInvalidChangeKey")
    if not raw.startswith(_KEY):
        raise EwsError("ErrorInvalidChangeKey")
    return base64.b64encode(_STORE_KEY + raw[1:]).decode("ascii")


def _decoded(text: str, code: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise EwsError(code) from error

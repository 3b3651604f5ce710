"""Ids that look like Exchange's: opaque, case-sensitive, and the same for the same history.

Made from hashes of what they stand for and a counter of the store, so that two sandboxes filled
alike hold the same ids; nothing but their look is promised.
"""

from __future__ import annotations

import base64
import hashlib
import uuid

_NAMESPACE = uuid.UUID("5f0c6c0e-7a43-4b62-9d5e-5a6f2c1d9b10")


def directory_id(domain: str) -> str:
    return str(uuid.uuid5(_NAMESPACE, f"directory {domain}"))


def user_id(directory: str, address: str) -> str:
    return str(uuid.uuid5(_NAMESPACE, f"user {directory} {address}"))


def group_id(directory: str, name: str) -> str:
    return str(uuid.uuid5(_NAMESPACE, f"group {directory} {name}"))


def mailbox_id(directory: str, address: str) -> str:
    return f"MBX:{uuid.uuid5(_NAMESPACE, f'mailbox {directory} {address}')}@{directory}"


def folder_id(mailbox: str, number: int) -> str:
    return _entry(mailbox, f"folder {number}", b"\x01")


def item_id(mailbox: str, number: int) -> str:
    return _entry(mailbox, f"item {number}", b"\x07")


def change_key(item: str, sequence: int) -> str:
    digest = hashlib.sha256(f"{item} {sequence}".encode()).digest()
    return base64.b64encode(b"\x09\x00\x00\x00\x16\x00\x00\x00" + digest[:22]).decode()


def _entry(mailbox: str, what: str, kind: bytes) -> str:
    digest = hashlib.sha256(f"{mailbox} {what}".encode()).digest()
    owner = hashlib.sha256(mailbox.encode()).digest()[:16]
    return base64.urlsafe_b64encode(b"\x00\x03$\x00" + owner + kind + digest[:23]).decode()

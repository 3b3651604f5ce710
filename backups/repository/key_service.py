"""Tenants' keys wrapped by a key management service, whose key never leaves it.

    magic "STWM" | version u8 | zero u8 | length u16 | the service's id of its key | what it gave

The context goes to the service as what it authenticates. The id is UTF-8.
"""

from __future__ import annotations

import struct
from typing import Protocol

from .errors import Damaged, UnsupportedFormat, WrongKey
from .keys import SERVICE_MAGIC

VERSION = 1
_HEAD = struct.Struct("<4sBBH")


class KeyService(Protocol):
    """One key of a service. Both raise Unavailable when it does not answer."""

    @property
    def id(self) -> str: ...

    def encrypt(self, plaintext: bytes, context: bytes) -> bytes: ...

    def decrypt(self, ciphertext: bytes, context: bytes) -> bytes | None:
        """None for what this key and context did not encrypt."""


class ServiceKey:
    """A ``KeyWrapper`` on a key of a service."""

    def __init__(self, service: KeyService) -> None:
        self._service = service

    @property
    def id(self) -> str:
        return self._service.id

    def wrap(self, key: bytes, bound: bytes) -> bytes:
        service_id = self.id.encode()
        head = _HEAD.pack(SERVICE_MAGIC, VERSION, 0, len(service_id))
        return head + service_id + self._service.encrypt(key, bound)

    def unwrap(self, wrapped: bytes, bound: bytes, name: str = "wrapped key") -> bytes:
        """Raises WrongKey, Damaged, UnsupportedFormat, all naming ``name``; Unavailable."""
        service_id, ciphertext = _parts(wrapped, name)
        if service_id != self.id:
            raise WrongKey(name, f"wrapped by {service_id}, the key at hand is {self.id}")
        key = self._service.decrypt(ciphertext, bound)
        if key is None:
            raise Damaged(name, "does not decrypt: damaged, or the keys of another tenant")
        return key


def service_of(wrapped: bytes) -> str | None:
    """The service's id of the key that wrapped this, or None for any other bytes."""
    try:
        return _parts(wrapped, "wrapped key")[0]
    except (Damaged, UnsupportedFormat, WrongKey):
        return None


def _parts(wrapped: bytes, name: str) -> tuple[str, bytes]:
    if len(wrapped) < _HEAD.size:
        raise Damaged(name, f"too short for a wrapped key: {len(wrapped)} bytes")
    magic, version, zero, length = _HEAD.unpack_from(wrapped)
    if magic != SERVICE_MAGIC:
        raise WrongKey(name, "not wrapped by a key management service")
    if version > VERSION:
        raise UnsupportedFormat(name, f"version {version}, this version reads {VERSION}")
    service_id, ciphertext = wrapped[_HEAD.size :][:length], wrapped[_HEAD.size + length :]
    try:
        text = service_id.decode()
    except UnicodeDecodeError as error:
        raise Damaged(name, f"the header makes no sense: {error}") from error
    if zero or version != VERSION or len(service_id) != length:
        raise Damaged(name, "the header makes no sense")
    return text, ciphertext

"""The key hierarchy (docs/keys.md): root key, a tenant's keys, mailbox keys.

A wrapped key is

    magic "STWK" | version u8 | zero u8 | id of the wrapping key 8 | nonce 12 | ciphertext and tag

AES-256-GCM; the additional data is the first fourteen bytes and the context, which names the
tenant (and the mailbox). The id tells a wrong key from a damaged object.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import secrets
import struct
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from . import durable
from .envelope import NONCE, TAG, context
from .errors import Damaged, RootKeyError, UnsupportedFormat, WrongKey

KEY = 32
VERSION = 1
_MAGIC = b"STWK"
SERVICE_MAGIC = b"STWM"
"""What a key management service wrapped (key_service.py)."""
_HEAD = struct.Struct("<4sBB8s")
WRAPPED_KEY = _HEAD.size + NONCE + KEY + TAG
"""Bytes of the shortest wrapped key."""


def new_key() -> bytes:
    return secrets.token_bytes(KEY)


def key_id(key: bytes) -> bytes:
    """8 bytes that tell keys apart and say nothing about them."""
    return hashlib.sha256(b"stowage/key-id\0" + key).digest()[:8]


def wrap_key(key: bytes, wrapping_key: bytes, bound: bytes) -> bytes:
    """``bound`` is the context; the same must be given to ``unwrap_key``."""
    head = _HEAD.pack(_MAGIC, VERSION, 0, key_id(wrapping_key))
    nonce = secrets.token_bytes(NONCE)
    return head + nonce + AESGCM(wrapping_key).encrypt(nonce, key, head + bound)


def unwrap_key(
    wrapped: bytes, wrapping_key: bytes, bound: bytes, name: str = "wrapped key"
) -> bytes:
    """Raises WrongKey, Damaged, UnsupportedFormat, all naming ``name``."""
    if len(wrapped) < _HEAD.size + NONCE + TAG:
        raise Damaged(name, f"too short for a wrapped key: {len(wrapped)} bytes")
    magic, version, zero, wrapped_under = _HEAD.unpack_from(wrapped)
    if magic == SERVICE_MAGIC:
        raise WrongKey(name, "wrapped by a key management service, not by a key at hand")
    if magic != _MAGIC:
        raise Damaged(name, "is not a wrapped key")
    if version > VERSION:
        raise UnsupportedFormat(name, f"version {version}, this version reads {VERSION}")
    if zero or version != VERSION:
        raise Damaged(name, "the header makes no sense")
    if wrapped_under != key_id(wrapping_key):
        expected, given = wrapped_under.hex(), key_id(wrapping_key).hex()
        raise WrongKey(name, f"wrapped under key {expected}, the key at hand is {given}")
    head, nonce = wrapped[: _HEAD.size], wrapped[_HEAD.size : _HEAD.size + NONCE]
    try:
        return AESGCM(wrapping_key).decrypt(nonce, wrapped[_HEAD.size + NONCE :], head + bound)
    except InvalidTag as error:
        reason = "does not decrypt: damaged, or the key of another tenant or mailbox"
        raise Damaged(name, reason) from error


def wrapping_key_id(wrapped: bytes) -> str | None:
    """Id of the key that wrapped this, in hexadecimal; None where the bytes do not say."""
    if len(wrapped) < _HEAD.size or not wrapped.startswith(_MAGIC):
        return None
    *_, wrapped_under = _HEAD.unpack_from(wrapped)
    return bytes(wrapped_under).hex()


def read_private(path: str | os.PathLike[str]) -> bytes:
    """At most 1,024 bytes of a file that its owner alone may read. Raises RootKeyError."""
    try:
        with Path(path).open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            text = file.read(1024)
    except OSError as error:
        raise RootKeyError(f"{path}: {error.strerror}") from error
    if mode & 0o077:
        raise RootKeyError(
            f"{path}: others may read it (mode {mode & 0o777:o}); run: chmod 600 {path}"
        )
    return text


class KeyWrapper(Protocol):
    """What wraps tenants' keys: the root key, or a key that never leaves a service."""

    @property
    def id(self) -> str:
        """Tells keys apart and says nothing about them."""

    def wrap(self, key: bytes, bound: bytes) -> bytes:
        """``bound`` is the context; ``unwrap`` must be given the same. Raises Unavailable."""

    def unwrap(self, wrapped: bytes, bound: bytes, name: str = "wrapped key") -> bytes:
        """Raises WrongKey, Damaged, UnsupportedFormat, all naming ``name``; Unavailable."""


@dataclass(frozen=True)
class RootKey:
    """The one key that opens an installation. 32 random bytes, kept in a file as base64."""

    key: bytes = field(repr=False)

    @property
    def id(self) -> str:
        return key_id(self.key).hex()

    @classmethod
    def from_file(cls, path: str | os.PathLike[str]) -> RootKey:
        """Raises RootKeyError: no such file, readable by others, or not a key."""
        text = read_private(path)
        try:
            key = base64.b64decode(text.strip(), validate=True)
        except binascii.Error as error:
            raise RootKeyError(f"{path}: not base64: {error}") from error
        if len(key) != KEY:
            raise RootKeyError(f"{path}: holds {len(key)} bytes, a root key has {KEY}")
        return cls(key)

    @classmethod
    def generate_file(cls, path: str | os.PathLike[str]) -> RootKey:
        """Make a new key and its file (0600). Raises RootKeyError; never overwrites."""
        key = new_key()
        try:
            durable.create(Path(path).absolute(), base64.b64encode(key) + b"\n", mode=0o600)
        except FileExistsError as error:
            raise RootKeyError(f"{path}: exists already, a root key is never replaced") from error
        except OSError as error:
            raise RootKeyError(f"{path}: {error.strerror}") from error
        return cls(key)

    def wrap(self, key: bytes, bound: bytes) -> bytes:
        return wrap_key(key, self.key, bound)

    def unwrap(self, wrapped: bytes, bound: bytes, name: str = "wrapped key") -> bytes:
        return unwrap_key(wrapped, self.key, bound, name)


@dataclass(frozen=True)
class TenantKeys:
    """One tenant's keys, 32 bytes each. ``tenant_key`` wraps mailbox keys."""

    tenant_key: bytes = field(repr=False)
    id_key: bytes = field(repr=False)
    blob_secret: bytes = field(repr=False)
    metadata_key: bytes = field(repr=False)

    @classmethod
    def generate(cls) -> TenantKeys:
        return cls(new_key(), new_key(), new_key(), new_key())

    def with_new_tenant_key(self) -> TenantKeys:
        """For rotation: the other keys stay, for content is named and encrypted with them."""
        return replace(self, tenant_key=new_key())

    def to_bytes(self) -> bytes:
        return self.tenant_key + self.id_key + self.blob_secret + self.metadata_key

    def wrapped_by(self, root: KeyWrapper, tenant: UUID) -> bytes:
        return root.wrap(self.to_bytes(), context("tenant-keys", tenant))

    @classmethod
    def unwrap(
        cls, wrapped: bytes, root: KeyWrapper, tenant: UUID, name: str = "tenant keys"
    ) -> TenantKeys:
        """Raises WrongKey, Damaged, UnsupportedFormat."""
        return cls.from_bytes(root.unwrap(wrapped, context("tenant-keys", tenant), name), name)

    @classmethod
    def from_bytes(cls, keys: bytes, name: str) -> TenantKeys:
        """Raises Damaged, naming ``name``."""
        if len(keys) != 4 * KEY:
            raise Damaged(name, f"holds {len(keys)} bytes instead of {4 * KEY}")
        return cls(*(keys[start : start + KEY] for start in range(0, 4 * KEY, KEY)))

    def wrap_mailbox_key(self, key: bytes, tenant: UUID, mailbox: UUID) -> bytes:
        return wrap_key(key, self.tenant_key, context("mailbox-key", tenant, mailbox))

    def unwrap_mailbox_key(
        self, wrapped: bytes, tenant: UUID, mailbox: UUID, name: str = "mailbox key"
    ) -> bytes:
        """Raises WrongKey, Damaged, UnsupportedFormat."""
        bound = context("mailbox-key", tenant, mailbox)
        key = unwrap_key(wrapped, self.tenant_key, bound, name)
        if len(key) != KEY:
            raise Damaged(name, f"holds {len(key)} bytes instead of {KEY}")
        return key

"""A tenant's keys under a passphrase, for whoever has the repository and nothing else.

    magic "STWR" | version u8 | three zeros | memory in KiB u32 | passes u32 | lanes u32 | salt 16 |
    id of the tenant key 8 | wrapped key ("STWK")

Little endian. The wrapping key is Argon2id (RFC 9106) of the passphrase, in Unicode's
normalisation form C and UTF-8. The 44 bytes before the wrapped key are part of its context.
"""

from __future__ import annotations

import contextlib
import secrets
import struct
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from . import layout
from .destruction import require_not_destroyed
from .envelope import context
from .errors import (
    Damaged,
    NotFound,
    PassphraseTooShort,
    RootKeyError,
    UnsupportedFormat,
    WrongKey,
)
from .keys import KEY, TenantKeys, key_id, read_private, unwrap_key, wrap_key

if TYPE_CHECKING:
    from .backend import Backend

MAGIC = b"STWR"
VERSION = 1
SHORTEST = 12
"""Characters of a passphrase."""
SALT = 16
MAX_MEMORY = 4 * 1024 * 1024
MAX_PASSES = 64
MAX_LANES = 64

_HEAD = struct.Struct(f"<4sB3sIII{SALT}s8s")
HEAD = _HEAD.size
"""Bytes before the wrapped key."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What one try of a passphrase takes."""

    memory: int = 256 * 1024
    """KiB."""
    passes: int = 3
    lanes: int = 4

    @property
    def is_sane(self) -> bool:
        """Whether a reader accepts it; Argon2 itself wants 8 KiB for each lane."""
        lanes = 1 <= self.lanes <= MAX_LANES and 1 <= self.passes <= MAX_PASSES
        return lanes and 8 * self.lanes <= self.memory <= MAX_MEMORY


USUAL = Cost()


def write_recovery(
    backend: Backend, tenant: UUID, keys: TenantKeys, passphrase: str, cost: Cost = USUAL
) -> str:
    """Keep the tenant's keys under a passphrase; an earlier one opens nothing any more.

    Gives the name of the object. Raises PassphraseTooShort, KeyDestroyed, and ValueError for a
    cost that no reader would accept.
    """
    if len(unicodedata.normalize("NFC", passphrase)) < SHORTEST:
        raise PassphraseTooShort(f"a recovery passphrase has at least {SHORTEST} characters")
    if not cost.is_sane:
        raise ValueError(f"{cost} is out of bounds")
    require_not_destroyed(backend, tenant, None)
    salt = secrets.token_bytes(SALT)
    head = _HEAD.pack(
        MAGIC,
        VERSION,
        bytes(3),
        cost.memory,
        cost.passes,
        cost.lanes,
        salt,
        key_id(keys.tenant_key),
    )
    wrapped = wrap_key(keys.to_bytes(), _derived(passphrase, salt, cost), _bound(tenant, head))
    earlier = recovery_versions(backend, tenant)
    name = layout.recovery_key(tenant, max(earlier, default=0) + 1)
    backend.put_immutable(name, head + wrapped)
    for version in earlier:
        with contextlib.suppress(NotFound):
            backend.delete(layout.recovery_key(tenant, version))
    return name


def open_recovery(backend: Backend, tenant: UUID, passphrase: str) -> TenantKeys:
    """The tenant's keys. Raises KeyDestroyed, Damaged, UnsupportedFormat.

    Raises WrongKey for another passphrase, and where there is no recovery copy.
    """
    require_not_destroyed(backend, tenant, None)
    versions = recovery_versions(backend, tenant)
    name = layout.recovery_key(tenant, max(versions, default=1))
    if not versions:
        raise WrongKey(
            name, "there is no recovery copy, so no passphrase opens this tenant's share"
        )
    content = backend.get(name)
    cost, salt, _ = read_head(content, name)
    head, wrapped = content[: _HEAD.size], content[_HEAD.size :]
    derived = _derived(passphrase, salt, cost)
    try:
        keys = unwrap_key(wrapped, derived, _bound(tenant, head), name)
    except WrongKey as error:
        raise WrongKey(name, "this passphrase does not open it") from error
    return TenantKeys.from_bytes(keys, name)


def read_passphrase(file: Path) -> str:
    """The first line of a file. Raises RootKeyError when others may read it, or it is no text."""
    try:
        return read_private(file).decode().partition("\n")[0].removesuffix("\r")
    except UnicodeDecodeError as error:
        raise RootKeyError(f"{file}: not UTF-8: {error}") from error


def recovery_versions(backend: Backend, tenant: UUID) -> list[int]:
    keys = backend.list(layout.keys_prefix(tenant))
    return [v for key in keys if (v := layout.recovery_of(key)) is not None]


def read_head(content: bytes, name: str) -> tuple[Cost, bytes, bytes]:
    """Cost, salt, and the id of the tenant key inside. Raises Damaged, UnsupportedFormat."""
    if len(content) < _HEAD.size:
        raise Damaged(name, f"too short for a recovery copy: {len(content)} bytes")
    magic, version, zeros, memory, passes, lanes, salt, tenant_key = _HEAD.unpack_from(content)
    if magic != MAGIC:
        raise Damaged(name, "is not a recovery copy")
    if version > VERSION:
        raise UnsupportedFormat(name, f"version {version}, this version reads {VERSION}")
    cost = Cost(memory, passes, lanes)
    if version != VERSION or any(zeros) or not cost.is_sane:
        raise Damaged(name, "the header makes no sense")
    return cost, salt, tenant_key


def _derived(passphrase: str, salt: bytes, cost: Cost) -> bytes:
    secret = unicodedata.normalize("NFC", passphrase).encode()
    kdf = Argon2id(
        salt=salt, length=KEY, iterations=cost.passes, lanes=cost.lanes, memory_cost=cost.memory
    )
    return kdf.derive(secret)


def _bound(tenant: UUID, head: bytes) -> bytes:
    return context("recovery", tenant) + head

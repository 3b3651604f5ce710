"""Sealed records: what is encrypted as one piece (commits, segments, directories).

    magic 4 | version u8 | compression u8 | plaintext length u32 | nonce 12 | ciphertext and tag

Little endian. AES-256-GCM; the additional data is the first ten bytes and the context, which
says what the record is and where it belongs, so that it can't be moved elsewhere.
"""

from __future__ import annotations

import secrets
import struct
from uuid import UUID

from backports import zstd
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from .errors import Damaged, UnsupportedFormat

VERSION = 1
NONCE = 12
TAG = 16
STORED = 0
ZSTD = 1
ZSTD_LEVEL = 3
MAX_RECORD = 512 * 1024 * 1024

_HEAD = struct.Struct("<4sBBI")


def context(kind: str, *ids: UUID, number: int | None = None) -> bytes:
    """``stowage/<kind>`` and a zero byte, the ids (16 bytes each), the number (u64)."""
    tail = b"" if number is None else struct.pack("<Q", number)
    return f"stowage/{kind}\0".encode() + b"".join(i.bytes for i in ids) + tail


def seal(
    magic: bytes, key: bytes, bound: bytes, plaintext: bytes, *, worth_compressing: bool = True
) -> bytes:
    """``bound`` is the context; the same must be given to ``unseal``."""
    if len(plaintext) > MAX_RECORD:
        raise ValueError(f"a sealed record holds at most {MAX_RECORD} bytes, not {len(plaintext)}")
    packed = zstd.compress(plaintext, ZSTD_LEVEL) if worth_compressing else plaintext
    compression = ZSTD if len(packed) < len(plaintext) else STORED
    head = _HEAD.pack(magic, VERSION, compression, len(plaintext))
    nonce = secrets.token_bytes(NONCE)
    body = packed if compression == ZSTD else plaintext
    return head + nonce + AESGCM(key).encrypt(nonce, body, head + bound)


def unseal(magic: bytes, key: bytes, bound: bytes, sealed: bytes, name: str) -> bytes:
    """Raises Damaged and UnsupportedFormat, both naming ``name``."""
    if len(sealed) < _HEAD.size + NONCE + TAG:
        raise Damaged(name, f"too short for a sealed record: {len(sealed)} bytes")
    found, version, compression, length = _HEAD.unpack_from(sealed)
    if found != magic:
        raise Damaged(name, f"starts with {found!r} instead of {magic!r}")
    if version > VERSION:
        raise UnsupportedFormat(name, f"version {version}, this version reads {VERSION}")
    if compression > ZSTD or length > MAX_RECORD:
        raise Damaged(name, "the header makes no sense")
    head, nonce = sealed[: _HEAD.size], sealed[_HEAD.size : _HEAD.size + NONCE]
    try:
        body = AESGCM(key).decrypt(nonce, sealed[_HEAD.size + NONCE :], head + bound)
    except InvalidTag as error:
        reason = "does not decrypt: damaged, moved from elsewhere, or written under another key"
        raise Damaged(name, reason) from error
    return body if compression == STORED else decompress(body, length, name)


def decompress(
    body: bytes, length: int, name: str, dictionary: zstd.ZstdDict | None = None
) -> bytes:
    """Exactly ``length`` bytes out of one zstd frame; never more memory than that. Damaged."""
    decompressor = zstd.ZstdDecompressor(zstd_dict=dictionary)
    try:
        plaintext = decompressor.decompress(body, max_length=length)
    except zstd.ZstdError as error:
        raise Damaged(name, f"does not decompress: {error}") from error
    if len(plaintext) != length or not decompressor.eof or decompressor.unused_data:
        raise Damaged(name, f"does not decompress to the {length} bytes it should hold")
    return plaintext

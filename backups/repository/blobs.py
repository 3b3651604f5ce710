"""Blobs: one part of an item, compressed, encrypted, and able to say what it is.

    magic "STWB" | version u8 | class u8 | compression u8 | zero u8 | dictionary u32 |
    plaintext length u32 | ciphertext length u32 | id 32 | nonce 12 | checksum 16 | ciphertext

Little endian, 80 bytes of header. ``id`` is the tenant's keyed BLAKE3 of the plaintext. The
checksum is the first half of SHA-256 over header (without itself) and ciphertext: it finds a
flipped bit without any key. The header without checksum is the additional data of AES-256-GCM.
The key comes from the plaintext and the tenant's blob secret, and is kept only in references.
"""

from __future__ import annotations

import enum
import hashlib
import hmac
import secrets
import struct
from dataclasses import dataclass, field

import blake3
from backports import zstd
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from backups.parts import MAX_PART, Role

from .dictionaries import NONE, Dictionary
from .envelope import NONCE, STORED, TAG, ZSTD, ZSTD_LEVEL, decompress
from .errors import Damaged, UnsupportedFormat
from .keys import KEY, TenantKeys

MAGIC = b"STWB"
VERSION = 1
ID = 32
CHECKSUM = 16
SMALL = 64 * 1024
"""Only shorter blobs use a dictionary; longer ones have words enough of their own."""

DICTIONARY_LEVEL = 5
"""zstd's level where a dictionary is used: 8 % smaller than the usual one, for little time."""

_BOUND = struct.Struct("<4sBBBBIII32s12s")
HEADER = _BOUND.size + CHECKSUM
_KEY_INFO = b"stowage/blob-key\0"


class PackClass(enum.IntEnum):
    SKELETON = 0
    """Skeletons and bodies: read whenever an item is."""
    ATTACHMENT = 1


@dataclass(frozen=True, slots=True)
class BlobRef:
    """What a commit holds of a blob: enough to find, decrypt and check it."""

    id: bytes
    key: bytes = field(repr=False)
    length: int
    """Bytes of plaintext."""


@dataclass(frozen=True, slots=True)
class BlobHeader:
    pack_class: PackClass
    compression: int
    dictionary: int
    length: int
    """Bytes of plaintext."""
    stored: int
    """Bytes of ciphertext with its tag, which follow the header."""
    id: bytes
    nonce: bytes
    checksum: bytes

    @property
    def size(self) -> int:
        """Bytes of the whole blob."""
        return HEADER + self.stored


def class_of(role: Role) -> PackClass:
    return PackClass.ATTACHMENT if role is Role.ATTACHMENT else PackClass.SKELETON


def may_use_dictionary(pack_class: PackClass, length: int) -> bool:
    """``length``: bytes of plaintext."""
    return pack_class is PackClass.SKELETON and length < SMALL


class BlobCodec:
    """Makes blobs for one tenant. Only ids and references may be asked for by several threads."""

    def __init__(self, keys: TenantKeys) -> None:
        self._id_key = keys.id_key
        # HKDF-SHA256 (RFC 5869): extract once, expand one block per blob.
        self._extracted = hmac.digest(bytes(32), keys.blob_secret, "sha256")
        self._compressor = zstd.ZstdCompressor(level=ZSTD_LEVEL)
        self._with_dictionary: tuple[Dictionary, zstd.ZstdCompressor] | None = None

    def id_of(self, plaintext: bytes) -> bytes:
        return blake3.blake3(plaintext, key=self._id_key).digest()

    def reference(self, plaintext: bytes, blob_id: bytes | None = None) -> BlobRef:
        """``plaintext`` has at most 4 MiB; ``blob_id`` is its id, where that is known."""
        if len(plaintext) > MAX_PART:
            raise ValueError(f"a blob holds at most {MAX_PART} bytes, not {len(plaintext)}")
        info = _KEY_INFO + hashlib.sha256(plaintext).digest()
        key = hmac.digest(self._extracted, info + b"\x01", "sha256")
        return BlobRef(blob_id or self.id_of(plaintext), key, len(plaintext))

    def seal(
        self,
        ref: BlobRef,
        pack_class: PackClass,
        plaintext: bytes,
        dictionary: Dictionary | None = None,
    ) -> bytes:
        """``dictionary`` is used where the format allows it and it makes the blob smaller."""
        usable = dictionary if may_use_dictionary(pack_class, len(plaintext)) else None
        packed = self._compressor_with(usable).compress(plaintext, zstd.ZstdCompressor.FLUSH_FRAME)
        compression = ZSTD if len(packed) < len(plaintext) else STORED
        body = packed if compression == ZSTD else plaintext
        nonce = secrets.token_bytes(NONCE)
        head = _BOUND.pack(
            MAGIC,
            VERSION,
            pack_class,
            compression,
            0,
            usable.number if usable and compression == ZSTD else NONE,
            ref.length,
            len(body) + TAG,
            ref.id,
            nonce,
        )
        ciphertext = AESGCM(ref.key).encrypt(nonce, body, head)
        return b"".join((head, _checksum(head, ciphertext), ciphertext))

    def open(
        self,
        ref: BlobRef,
        blob: bytes | memoryview,
        name: str,
        dictionary: Dictionary | None = None,
        header: BlobHeader | None = None,
    ) -> bytes:
        """The plaintext of a whole blob; ``dictionary`` is the one that its header names.

        ``header``: what ``read_header`` gave for it. Raises Damaged and UnsupportedFormat, naming
        ``name``.
        """
        header = header or read_header(blob, name)
        plaintext = self._decrypted(header, ref, blob, name, dictionary)
        if len(plaintext) != ref.length or self.id_of(plaintext) != ref.id:
            raise Damaged(name, f"blob {ref.id.hex()} decrypts to something else")
        return plaintext

    def reads_back(
        self, ref: BlobRef, blob: memoryview, plaintext: bytes, dictionary: Dictionary | None
    ) -> bool:
        """Whether a blob in memory is whole and gives ``plaintext``. Raises as ``open`` does."""
        name = "pack in memory"
        header = read_header(blob, name)
        verify_checksum(header, blob, name)
        used = dictionary if header.dictionary else None
        return self._decrypted(header, ref, blob, name, used) == plaintext

    def _decrypted(
        self,
        header: BlobHeader,
        ref: BlobRef,
        blob: bytes | memoryview,
        name: str,
        dictionary: Dictionary | None,
    ) -> bytes:
        if header.id != ref.id or header.length != ref.length:
            verify_checksum(header, blob, name)
            raise Damaged(name, f"holds blob {header.id.hex()}, not {ref.id.hex()}")
        if header.dictionary != (dictionary.number if dictionary else NONE):
            raise Damaged(name, f"blob {ref.id.hex()} needs dictionary {header.dictionary}")
        head = bytes(blob[: _BOUND.size])
        try:
            body = AESGCM(ref.key).decrypt(header.nonce, blob[HEADER : header.size], head)
        except InvalidTag as error:
            # The tag says all that the checksum says; that one tells damage from a wrong key.
            verify_checksum(header, blob, name)
            raise Damaged(name, f"blob {ref.id.hex()} does not decrypt") from error
        if header.compression == STORED:
            return body
        return decompress(body, ref.length, name, dictionary.frames if dictionary else None)

    def _compressor_with(self, dictionary: Dictionary | None) -> zstd.ZstdCompressor:
        if dictionary is None:
            return self._compressor
        if self._with_dictionary is None or self._with_dictionary[0] is not dictionary:
            digested = dictionary.frames.as_digested_dict
            compressor = zstd.ZstdCompressor(level=DICTIONARY_LEVEL, zstd_dict=digested)
            self._with_dictionary = (dictionary, compressor)
        return self._with_dictionary[1]


def read_header(blob: bytes | memoryview, name: str) -> BlobHeader:
    """The header at the start of ``blob``. Raises Damaged and UnsupportedFormat."""
    if len(blob) < HEADER:
        raise Damaged(name, f"too short for a blob's header: {len(blob)} bytes")
    fields = _BOUND.unpack_from(blob)
    magic, version, number, compression, zero, dictionary, length, stored, blob_id, nonce = fields
    if magic != MAGIC:
        raise Damaged(name, "there is no blob where one should be")
    if version > VERSION:
        raise UnsupportedFormat(name, f"blob version {version}, this version reads {VERSION}")
    if number > PackClass.ATTACHMENT or compression > ZSTD or zero:
        raise Damaged(name, "the blob's header makes no sense")
    if length > MAX_PART or not TAG <= stored <= MAX_PART + TAG:
        raise Damaged(name, "the blob's header claims an impossible length")
    if dictionary and not (compression == ZSTD and number == PackClass.SKELETON and length < SMALL):
        raise Damaged(name, "the blob's header names a dictionary that such a blob never uses")
    checksum = bytes(blob[_BOUND.size : HEADER])
    return BlobHeader(
        PackClass(number), compression, dictionary, length, stored, blob_id, nonce, checksum
    )


def verify_checksum(header: BlobHeader, blob: bytes | memoryview, name: str) -> None:
    """Needs no key. ``blob`` starts at the header and may go on behind the blob."""
    if len(blob) < header.size:
        raise Damaged(name, f"blob {header.id.hex()} is cut off")
    found = _checksum(blob[: _BOUND.size], blob[HEADER : header.size])
    if found != header.checksum:
        raise Damaged(name, f"blob {header.id.hex()}: the checksum does not match")


def _checksum(head: bytes | memoryview, ciphertext: bytes | memoryview) -> bytes:
    digest = hashlib.sha256(head)
    digest.update(ciphertext)
    return digest.digest()[:CHECKSUM]


_PACKED_REF = struct.Struct(f"<{ID}s{KEY}sI")


def pack_refs(refs: tuple[BlobRef, ...]) -> bytes:
    """Id, key and length (u32) of each reference, one after the other."""
    return b"".join(_PACKED_REF.pack(ref.id, ref.key, ref.length) for ref in refs)


def unpack_refs(packed: bytes) -> tuple[BlobRef, ...]:
    """Raises ValueError."""
    if len(packed) % _PACKED_REF.size:
        raise ValueError(f"{len(packed)} bytes are not a whole number of references")
    refs = tuple(BlobRef(*fields) for fields in _PACKED_REF.iter_unpack(packed))
    if any(ref.length > MAX_PART for ref in refs):
        raise ValueError("a reference claims an impossible length")
    return refs

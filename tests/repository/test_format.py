"""docs/repository-format.md is enough to read a repository: nothing of the room's code is used.

What this file does by hand is what a reader in another language would do. When it has to change,
the format has changed.
"""

from __future__ import annotations

import hashlib
import json
import struct
from pathlib import Path
from typing import Any
from uuid import UUID

import blake3
import msgpack
from backports import zstd
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from .world import ACME, ANNA, BEN, REPOSITORY, World


def context(kind: str, *ids: UUID, number: int | None = None) -> bytes:
    tail = b"" if number is None else number.to_bytes(8, "little")
    return b"stowage/" + kind.encode() + b"\0" + b"".join(i.bytes for i in ids) + tail


def unwrap(wrapped: bytes, key: bytes, bound: bytes) -> bytes:
    assert wrapped[:6] == b"STWK\x01\0"
    assert wrapped[6:14] == hashlib.sha256(b"stowage/key-id\0" + key).digest()[:8]
    return AESGCM(key).decrypt(wrapped[14:26], wrapped[26:], wrapped[:14] + bound)


def unseal(magic: bytes, sealed: bytes, key: bytes, bound: bytes) -> bytes:
    found, version, compression, length = struct.unpack("<4sBBI", sealed[:10])
    assert (found, version) == (magic, 1)
    body = AESGCM(key).decrypt(sealed[10:22], sealed[22:], sealed[:10] + bound)
    plaintext = zstd.decompress(body) if compression else body
    assert len(plaintext) == length
    return plaintext


class Reader:
    def __init__(self, path: Path, root_key: bytes) -> None:
        self.tenant = path / "tenants" / str(ACME)
        wrapped = (self.tenant / "keys" / "tenant.1").read_bytes()
        keys = unwrap(wrapped, root_key, context("tenant-keys", ACME))
        self.tenant_key, self.id_key, self.blob_secret, self.metadata_key = (
            keys[n : n + 32] for n in range(0, 128, 32)
        )
        self.blobs: dict[bytes, bytes] = {}
        for pack in (self.tenant / "packs").glob("??/*"):
            self._pack(pack)

    def _pack(self, path: Path) -> None:
        pack = path.read_bytes()
        assert hashlib.sha256(pack).hexdigest() == path.name
        assert path.name.startswith(path.parent.name)
        magic, version, pack_class, zero = struct.unpack("<4sBBH", pack[:8])
        assert (magic, version, zero) == (b"STWP", 1, 0)
        length, count, digest, end = struct.unpack("<II32s4s", pack[-44:])
        assert (digest, end) == (hashlib.sha256(pack[:-44]).digest(), b"STWE")
        start = len(pack) - 44 - length
        bound = context("pack-directory", ACME, number=start)
        directory = unseal(b"STWD", pack[start:-44], self.metadata_key, bound)
        number, entries, dictionaries = msgpack.unpackb(directory, strict_map_key=False)
        assert (number, len(entries)) == (pack_class, count)
        for blob_id, offset, size in entries:
            self.blobs[blob_id] = pack[offset : offset + size]

    def blob(self, reference: bytes) -> bytes:
        blob_id, key, length = struct.unpack("<32s32sI", reference)
        blob = self.blobs[blob_id]
        fields = struct.unpack("<4sBBBBIII32s12s", blob[:64])
        magic, version, _, compression, zero, dictionary, size, stored, found, nonce = fields
        assert (magic, version, zero, dictionary) == (b"STWB", 1, 0, 0)
        assert (size, found, stored) == (length, blob_id, len(blob) - 80)
        assert blob[64:80] == hashlib.sha256(blob[:64] + blob[80:]).digest()[:16]
        body = AESGCM(key).decrypt(nonce, blob[80:], blob[:64])
        plaintext = zstd.decompress(body) if compression else body
        assert blake3.blake3(plaintext, key=self.id_key).digest() == blob_id
        info = b"stowage/blob-key\0" + hashlib.sha256(plaintext).digest()
        assert HKDF(SHA256(), 32, salt=None, info=info).derive(self.blob_secret) == key
        return plaintext

    def item(self, item: list[Any]) -> bytes:
        layout, skeleton_parts, prefix, frames, holes = item[6]
        assert (layout, skeleton_parts, prefix, frames) == (0, 1, 0, [])
        references = item[7]
        parts = [self.blob(references[n : n + 68]) for n in range(0, len(references), 68)]
        content, position = b"", 0
        for offset, number in holes:
            content += parts[0][position:offset] + parts[number]
            position = offset
        return content + parts[0][position:]

    def mailbox(self, mailbox: UUID) -> dict[str, bytes]:
        wrapped = (self.tenant / "keys" / f"mailbox-{mailbox}.1").read_bytes()
        key = unwrap(wrapped, self.tenant_key, context("mailbox-key", ACME, mailbox))
        previous, items = bytes(32), {}
        for number, path in enumerate(
            sorted((self.tenant / "commits" / str(mailbox)).iterdir()), 1
        ):
            assert path.name == f"{number:010d}"
            sealed = path.read_bytes()
            bound = context("commit", ACME, mailbox, number=number)
            commit = msgpack.unpackb(unseal(b"STWC", sealed, key, bound), timestamp=3)
            assert commit["previous"] == previous
            previous = hashlib.sha256(sealed).digest()
            for removed in commit["removed_items"]:
                del items[removed]
            for item in commit["items"]:
                items[item[0]] = self.item(item)
                assert hashlib.sha256(items[item[0]]).digest() == item[5]
        return items


def test_a_repository_is_read_by_its_description_alone(filled: World) -> None:
    marker = json.loads((filled.path / "stowage.json").read_text())
    assert (marker["format"], marker["repository"]) == (1, str(REPOSITORY))
    assert marker["check"] == hashlib.sha256(f"stowage/1/{REPOSITORY}".encode()).hexdigest()
    reader = Reader(filled.path, filled.root.key)
    assert reader.mailbox(ANNA) == {
        name: filled.contents[ANNA, name] for name in ("report", "late")
    }
    assert reader.mailbox(BEN) == {"copy": filled.contents[BEN, "copy"]}

"""docs/repository-format.md is enough to read a repository: ``Reader`` uses no code of the room.

What this file does by hand is what a reader in another language would do. When it has to change,
the format has changed.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import struct
import unicodedata
from pathlib import Path
from typing import Any
from uuid import UUID

import blake3
import msgpack
from backports import zstd
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from backups.repository import TenantKeys, envelope
from backups.repository.blobs import BlobCodec

from .golden import expected
from .world import ACME, ANNA, BEN, HOLD, MORNING, REPOSITORY, World


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
    """One tenant's share, read with the four keys."""

    def __init__(self, tenant: Path, keys: bytes) -> None:
        self.tenant = tenant
        self.tenant_key, self.id_key, self.blob_secret, self.metadata_key = (
            keys[n : n + 32] for n in range(0, 128, 32)
        )
        self.blobs: dict[bytes, tuple[bytes, dict[int, bytes]]] = {}
        self.dictionaries_used: set[int] = set()
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
            self.blobs[blob_id] = (pack[offset : offset + size], dictionaries)

    def blob(self, reference: bytes) -> bytes:
        blob_id, key, length = struct.unpack("<32s32sI", reference)
        blob, dictionaries = self.blobs[blob_id]
        fields = struct.unpack("<4sBBBBIII32s12s", blob[:64])
        magic, version, _, compression, zero, dictionary, size, stored, found, nonce = fields
        assert (magic, version, zero) == (b"STWB", 1, 0)
        assert (size, found, stored) == (length, blob_id, len(blob) - 80)
        assert blob[64:80] == hashlib.sha256(blob[:64] + blob[80:]).digest()[:16]
        body = AESGCM(key).decrypt(nonce, blob[80:], blob[:64])
        words = zstd.ZstdDict(dictionaries[dictionary]) if dictionary else None
        self.dictionaries_used.add(dictionary)
        plaintext = zstd.decompress(body, zstd_dict=words) if compression else body
        assert blake3.blake3(plaintext, key=self.id_key).digest() == blob_id
        info = b"stowage/blob-key\0" + hashlib.sha256(plaintext).digest()
        assert HKDF(SHA256(), 32, salt=None, info=info).derive(self.blob_secret) == key
        return plaintext

    def item(self, item: list[Any]) -> bytes:
        layout, skeleton_parts, prefix, frames, holes = item[6]
        references = item[7]
        parts = [self.blob(references[n : n + 68]) for n in range(0, len(references), 68)]
        skeleton = b"".join(parts[:skeleton_parts])
        content, position = b"", prefix
        for offset, number, *coding in holes:
            content += skeleton[position : prefix + offset] + encoded(parts[number], coding)
            position = prefix + offset
        content += skeleton[position:]
        if layout == 1:
            sizes = [size for size, count in frames for _ in range(count)]
            pieces, content = content, b""
            for size in sizes:
                content += struct.pack("<II", 2, size) + pieces[:size]
                pieces = pieces[size:]
            assert not pieces
        whole = skeleton[:prefix] + content
        assert (len(whole), hashlib.sha256(whole).digest()) == (item[4], item[5])
        return whole

    def mailbox(self, mailbox: UUID) -> Mailbox:
        wrapped = (self.tenant / "keys" / f"mailbox-{mailbox}.1").read_bytes()
        key = unwrap(wrapped, self.tenant_key, context("mailbox-key", ACME, mailbox))
        found = Mailbox()
        previous = bytes(32)
        for path in sorted((self.tenant / "commits" / str(mailbox)).iterdir()):
            number = int(path.name)
            sealed = path.read_bytes()
            bound = context("commit", ACME, mailbox, number=number)
            commit = msgpack.unpackb(unseal(b"STWC", sealed, key, bound), timestamp=3)
            assert (commit["version"], commit["sequence"]) == (1, number)
            if not found.begun and number > 1:
                segments = self.tenant / "segments" / str(mailbox)
                found.begin(commit["checkpoint"], segments, key, context("segment", ACME, mailbox))
            else:
                assert commit["previous"] == previous
                found.apply(commit)
            previous = hashlib.sha256(sealed).digest()
        return found

    def content(self, mailbox: Mailbox, point: int | None = None) -> dict[str, bytes]:
        return {item[0]: self.item(item) for item in mailbox.items(point)}


def encoded(part: bytes, coding: list[int]) -> bytes:
    transfer, line = coding or (0, 0)
    if transfer == 0:
        return part
    text = base64.b64encode(part)
    ends = {1: b"\n", 2: b"\r\n"}[transfer]
    return ends.join(text[n : n + line] for n in range(0, len(text), line)) if line else text


class Mailbox:
    """Every version of every item, as intervals, and the points that are offered."""

    def __init__(self) -> None:
        self.begun = False
        self.versions: list[list[Any]] = []
        self.points: list[int] = []
        self.holds: dict[bytes, str] = {}

    def begin(self, checkpoint: dict[str, Any], folder: Path, key: bytes, bound: bytes) -> None:
        self.begun = True
        self.points = [point[0] for point in checkpoint["points"]]
        self.holds = dict(checkpoint["holds"])
        for name, count, digest in checkpoint["segments"]:
            sealed = (folder / name.hex()).read_bytes()
            assert hashlib.sha256(sealed).digest() == name
            plaintext = unseal(b"STWG", sealed, key, bound)
            assert hashlib.sha256(plaintext).digest() == digest
            entries = msgpack.unpackb(plaintext)
            assert len(entries) == count
            for _, first, end, item in entries:
                self.versions.append([first, end, msgpack.unpackb(item, timestamp=3)])

    def apply(self, commit: dict[str, Any]) -> None:
        self.begun = True
        number = commit["sequence"]
        if commit["kind"] == 2:
            self.points = [p for p in self.points if p not in commit["expired"]["points"]]
            gone = [tuple(version) for version in commit["expired"]["versions"]]
            self.versions = [v for v in self.versions if (v[2][0], v[0]) not in gone]
        if commit["kind"] == 3:
            hold = commit["hold"]
            if hold["placed"]:
                self.holds[hold["id"]] = hold["name"]
            else:
                del self.holds[hold["id"]]
        if commit["kind"] not in (0, 1):
            return
        touched = [*commit["removed_items"], *(item[0] for item in commit["items"])]
        for version in self.versions:
            if version[1] is None and version[2][0] in touched:
                version[1] = number
        self.versions += ([number, None, item] for item in commit["items"])
        if commit["kind"] == 1:
            self.points.append(number)

    def items(self, point: int | None) -> list[list[Any]]:
        at = self.points[-1] if point is None else point
        return [v[2] for v in self.versions if v[0] <= at and (v[1] is None or at < v[1])]


def tenant_keys(path: Path, version: int, root_key: bytes) -> bytes:
    wrapped = (path / "keys" / f"tenant.{version}").read_bytes()
    return unwrap(wrapped, root_key, context("tenant-keys", ACME))


def recovered_keys(path: Path, passphrase: str) -> bytes:
    copy = (path / "keys" / "recovery.1").read_bytes()
    magic, version, zeros, memory, passes, lanes = struct.unpack("<4sB3sIII", copy[:20])
    assert (magic, version, zeros) == (b"STWR", 1, bytes(3))
    kdf = Argon2id(salt=copy[20:36], length=32, iterations=passes, lanes=lanes, memory_cost=memory)
    derived = kdf.derive(unicodedata.normalize("NFC", passphrase).encode())
    keys = unwrap(copy[44:], derived, context("recovery", ACME) + copy[:44])
    assert copy[36:44] == hashlib.sha256(b"stowage/key-id\0" + keys[:32]).digest()[:8]
    return keys


def test_a_repository_is_read_by_its_description_alone(filled: World) -> None:
    marker = json.loads((filled.path / "stowage.json").read_text())
    assert (marker["format"], marker["repository"]) == (1, str(REPOSITORY))
    assert marker["check"] == hashlib.sha256(f"stowage/1/{REPOSITORY}".encode()).hexdigest()
    tenant = filled.path / "tenants" / str(ACME)
    reader = Reader(tenant, tenant_keys(tenant, 1, filled.root.key))
    assert reader.content(reader.mailbox(ANNA)) == {
        name: filled.contents[ANNA, name] for name in ("report", "late")
    }
    assert reader.content(reader.mailbox(BEN)) == {"copy": filled.contents[BEN, "copy"]}


def test_the_golden_repository_is_read_by_the_description_alone(golden: Path) -> None:
    tenant = golden / "tenants" / str(ACME)
    keys = recovered_keys(tenant, "correct horse battery staple")
    assert keys == tenant_keys(tenant, 1, hashlib.sha256(b"golden root").digest())
    assert keys == tenant_keys(tenant, 2, hashlib.sha256(b"golden new root").digest())
    reader = Reader(tenant, keys)
    anna, ben = reader.mailbox(ANNA), reader.mailbox(BEN)
    assert anna.points == [3, 7]
    assert anna.holds == {HOLD.bytes: "Case 7"}
    assert reader.content(anna) == expected.ANNA_AT_7
    assert reader.content(anna, 3) == expected.ANNA_AT_3
    assert ben.points == [1, 2, 3, 4]
    assert [reader.content(ben, point) for point in ben.points] == expected.BEN_AT
    assert reader.dictionaries_used == {0, 1}


def test_the_golden_dictionary_is_the_one_that_packs_carry(golden: Path) -> None:
    tenant = golden / "tenants" / str(ACME)
    reader = Reader(tenant, tenant_keys(tenant, 1, hashlib.sha256(b"golden root").digest()))
    sealed = (tenant / "dictionaries" / "0000000001").read_bytes()
    bound = context("dictionary", ACME, number=1)
    version, trained_at, content = msgpack.unpackb(
        unseal(b"STWZ", sealed, reader.metadata_key, bound), timestamp=3
    )
    assert (version, trained_at) == (1, MORNING)
    assert {one[1] for _, carried in reader.blobs.values() if (one := carried)} == {content}


PAGE = Path(__file__).parents[2] / "docs" / "repository-format.md"
K, N, CONTENT = bytes(range(32)), bytes(range(12)), b"Stowage"


def vectors() -> dict[str, bytes]:
    rows = re.findall(r"^\| ([^|]+) \| `([0-9a-f]+)` \|$", PAGE.read_text(), re.MULTILINE)
    return {what.split(" ")[0] + " " + what.split(" ")[1]: bytes.fromhex(v) for what, v in rows}


def test_the_vectors_of_the_page_are_what_other_libraries_compute() -> None:
    page = vectors()
    key_id = hashlib.sha256(b"stowage/key-id\0" + K).digest()[:8]
    bound = context("commit", ACME, ANNA, number=7)
    head = b"STWC\x01\0\x07\0\0\0"
    blob_id = blake3.blake3(CONTENT, key=K).digest()
    info = b"stowage/blob-key\0" + hashlib.sha256(CONTENT).digest()
    blob_key = HKDF(SHA256(), 32, salt=None, info=info).derive(K)
    start = b"STWB\x01\0\0\0\0\0\0\0\x07\0\0\0\x17\0\0\0" + blob_id + N
    ciphertext = AESGCM(blob_key).encrypt(N, CONTENT, start)
    checksum = hashlib.sha256(start + ciphertext).digest()[:16]
    wrapping = b"STWK\x01\0" + key_id
    wrapped = AESGCM(K).encrypt(N, K, wrapping + context("mailbox-key", ACME, ANNA))
    kdf = Argon2id(salt=bytes(range(16)), length=32, iterations=1, lanes=1, memory_cost=1024)
    assert page == {
        "id of": key_id,
        "context of": bound,
        "sealed record": head + N + AESGCM(K).encrypt(N, CONTENT, head + bound),
        "blob id,": blob_id,
        "blob key,": blob_key,
        "blob of": start + checksum + ciphertext,
        "K as": wrapping + N + wrapped,
        "Argon2id of": kdf.derive(b"correct horse battery staple"),
    }


def test_the_code_reads_the_vectors_of_the_page() -> None:
    page = vectors()
    bound = envelope.context("commit", ACME, ANNA, number=7)
    assert bound == page["context of"]
    assert envelope.unseal(b"STWC", K, bound, page["sealed record"], "it") == CONTENT
    codec = BlobCodec(TenantKeys(K, K, K, K))
    ref = codec.reference(CONTENT)
    assert (ref.id, ref.key) == (page["blob id,"], page["blob key,"])
    assert codec.open(ref, page["blob of"], "it") == CONTENT
    assert TenantKeys(K, K, K, K).unwrap_mailbox_key(page["K as"], ACME, ANNA) == K

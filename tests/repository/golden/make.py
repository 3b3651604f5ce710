"""Makes ``format-1.tar``, the repository that every later version must read.

    python -m tests.repository.golden.make

Keys, nonces and times are fixed, so the same code and the same zstd make the same bytes; the
repository that is kept is never made anew.
"""

from __future__ import annotations

import hashlib
import io
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

from backports import zstd
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from backups.parts import PLAIN, Coding, CutItem, Layout, Part, Recipe, Role, Transfer
from backups.repository import (
    CommitKind,
    Cost,
    Destruction,
    Expired,
    Hold,
    RootKey,
    ServiceKey,
    TenantKeys,
    blobs,
    chain,
    destroy_mailbox_key,
    destroy_tenant_keys,
    envelope,
    filling,
    keys,
    recovery,
    rewrap_tenant_keys,
    write_recovery,
)
from backups.repository.destruction import encode
from backups.repository.dictionaries import Dictionaries
from tests.repository.world import (
    ACME,
    ANNA,
    BEN,
    CARA,
    DAN,
    GLOBEX,
    HOLD,
    INITECH,
    MORNING,
    World,
    raw,
    with_attachment,
)

ARCHIVE = Path(__file__).with_name("format-1.tar")
PASSPHRASE = "correct horse battery staple"


def fixed_key(name: str) -> bytes:
    return hashlib.sha256(f"golden {name}".encode()).digest()


ROOT = RootKey(fixed_key("root"))
NEW_ROOT = RootKey(fixed_key("new root"))
KEYS = TenantKeys(*(fixed_key(name) for name in ("tenant", "id", "blob", "metadata")))


class FixedService:
    """As a key management service would, with a key that is known and one nonce."""

    id = "vault.example/keys/1"

    def encrypt(self, plaintext: bytes, context: bytes) -> bytes:
        return AESGCM(fixed_key("service")).encrypt(bytes(12), plaintext, context)

    def decrypt(self, ciphertext: bytes, context: bytes) -> bytes:
        return AESGCM(fixed_key("service")).decrypt(bytes(12), ciphertext, context)


def make(folder: Path) -> None:
    """Write the golden repository into ``folder``, which must not exist."""
    with _no_chance(), _small_limits():
        world = World(folder, ROOT, KEYS)
        _dictionary(world)
        _anna(world)
        _ben(world)
        _cara(world)
        _dan(world)
        write_recovery(world.backend, ACME, KEYS, PASSPHRASE, Cost(1024, 1, 1))
        rewrap_tenant_keys(world.backend, ACME, KEYS, NEW_ROOT)
        rewrap_tenant_keys(world.backend, GLOBEX, KEYS, ServiceKey(FixedService()))
        rewrap_tenant_keys(world.backend, INITECH, KEYS, ROOT)
        destroy_tenant_keys(world.backend, INITECH, request="request 8", now=MORNING)


def archive(folder: Path) -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for file in sorted(path for path in folder.rglob("*") if path.is_file()):
            entry = tarfile.TarInfo(str(file.relative_to(folder)))
            entry.size = file.stat().st_size
            entry.mode = 0o600
            tar.addfile(entry, io.BytesIO(file.read_bytes()))
    return target.getvalue()


@contextmanager
def _no_chance() -> Iterator[None]:
    counter = iter(range(1_000_000))

    def token_bytes(size: int) -> bytes:
        return hashlib.sha256(f"golden chance {next(counter)}".encode()).digest()[:size]

    with ExitStack() as stack:
        for module in (blobs, envelope, keys, recovery):
            fixed = SimpleNamespace(token_bytes=token_bytes)
            stack.enter_context(mock.patch.object(module, "secrets", fixed))
        yield


@contextmanager
def _small_limits() -> Iterator[None]:
    with (
        mock.patch.object(filling, "PAYS", 1),
        # As it was when the archive was made; any level gives the same format.
        mock.patch.object(blobs, "DICTIONARY_LEVEL", 3),
        mock.patch.object(chain, "COMMITS_PER_CHECKPOINT", 3),
    ):
        yield


def _dictionary(world: World) -> None:
    samples = [
        f"Dear {n}, the report of week {n % 7} is ready.\r\n".encode() * 3 for n in range(200)
    ]
    content = zstd.train_dict(samples, 2048).dict_content
    Dictionaries(world.backend, ACME, KEYS.metadata_key).create(content, MORNING)


def _anna(world: World) -> None:
    attachment = bytes(range(256)) * 8
    world.back_up(
        ANNA,
        {
            "hello": raw(b"Subject: hello\r\n\r\n" + b"Dear Anna, the report is ready.\r\n" * 9),
            "report": with_attachment(b"Subject: report\r\n\r\nsee attachment", attachment),
            "week": raw(b"Dear 41, the report of week 6 is ready.\r\n" * 3),
            "stream": _stream(),
            "mime": _mime(attachment),
        },
    )
    world.back_up(ANNA, {"draft": raw(b"not yet")}, kind=CommitKind.PARTIAL)
    world.back_up(ANNA, {"report": raw(b"Subject: report\r\n\r\nnew")}, removed=["hello", "draft"])
    hold = Hold(HOLD, "Case 7", placed=True)
    world.vault.write_commit(world.next_commit(ANNA, kind=CommitKind.HOLD, hold=hold))
    world.back_up(ANNA, kind=CommitKind.VOID)
    expired = Expired([1], [("hello", 1), ("report", 1)])
    world.vault.write_commit(world.next_commit(ANNA, kind=CommitKind.EXPIRY, expired=expired))
    world.back_up(ANNA, {"late": raw(b"Subject: late\r\n\r\nsorry")})


def _ben(world: World) -> None:
    attachment = bytes(range(256)) * 8
    world.back_up(BEN, {"copy": with_attachment(b"Subject: fwd\r\n\r\nfor you", attachment)})
    world.back_up(BEN, {"note": raw(b"Subject: note\r\n\r\n\xe2\x9c\x93")}, removed=["copy"])
    world.back_up(BEN)
    world.back_up(BEN, {"more": raw(b"")})
    for sequence in (1, 2):
        world.backend.delete(f"tenants/{ACME}/commits/{BEN}/{sequence:010d}")


def _cara(world: World) -> None:
    world.add_mailbox(CARA)
    world.back_up(CARA, {"secret": raw(b"nobody reads this any more")})
    now = MORNING + timedelta(days=30)
    destroy_mailbox_key(world.backend, ACME, CARA, request="request 7", now=now)


def _dan(world: World) -> None:
    """His key's destruction has begun and was interrupted."""
    world.add_mailbox(DAN)
    begun = Destruction(ACME, DAN, "request 9", MORNING, None, ())
    name = f"tenants/{ACME}/keys/mailbox-{DAN}.destroying"
    world.backend.put_immutable(name, encode(begun))


def _stream() -> CutItem:
    recipe = Recipe(Layout.FTS, 1, 4, ((10, 2), (5, 1)), ((3, 1), (3, 2)))
    parts = (
        Part(Role.SKELETON, b"HEADabcdef"),
        Part(Role.BODY, b"0123456789"),
        Part(Role.ATTACHMENT, b"ABCDEFGHI"),
    )
    return CutItem(recipe, parts)


def _mime(attachment: bytes) -> CutItem:
    skeleton = b"Content-Transfer-Encoding: base64\r\n\r\n\r\n--end\r\n"
    codings = (Coding(Transfer.BASE64_CRLF, 76), PLAIN)
    recipe = Recipe(Layout.MIME, 1, 0, (), ((37, 1), (46, 2)), codings)
    parts = (
        Part(Role.SKELETON, skeleton),
        Part(Role.ATTACHMENT, attachment),
        Part(Role.BODY, b"text"),
    )
    return CutItem(recipe, parts)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        make(Path(scratch) / "repository")
        ARCHIVE.write_bytes(archive(Path(scratch) / "repository"))

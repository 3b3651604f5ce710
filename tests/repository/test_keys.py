"""Root key, tenant keys, mailbox keys: who opens what, and what is refused."""

from __future__ import annotations

import base64
import hashlib
import os
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from backups.repository import (
    Damaged,
    NotFound,
    RepositoryError,
    RootKey,
    RootKeyError,
    TenantKeys,
    WrongKey,
    new_key,
    unwrap_key,
    wrap_key,
)
from backups.repository.blobs import BlobCodec

from .world import ACME, ANNA, BEN, GLOBEX, World, read_all


def test_a_root_key_file_is_private_and_opens_again(tmp_path: Path) -> None:
    path = tmp_path / "root.key"
    made = RootKey.generate_file(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert RootKey.from_file(path) == made
    assert len(base64.b64decode(path.read_text())) == 32
    assert made.key.hex() not in repr(made)


def test_a_root_key_file_is_never_replaced(tmp_path: Path) -> None:
    path = tmp_path / "root.key"
    made = RootKey.generate_file(path)
    with pytest.raises(RootKeyError, match="never replaced"):
        RootKey.generate_file(path)
    assert RootKey.from_file(path) == made


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o602])
def test_a_root_key_that_others_may_read_is_refused_with_what_to_do(
    tmp_path: Path, mode: int
) -> None:
    path = tmp_path / "root.key"
    RootKey.generate_file(path)
    path.chmod(mode)
    with pytest.raises(RootKeyError, match="chmod 600"):
        RootKey.from_file(path)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "holds 0 bytes"),
        (base64.b64encode(bytes(31)), "holds 31 bytes"),
        (b"this is no key!", "not base64"),
        (os.urandom(2000), "not base64"),
    ],
)
def test_a_file_that_is_no_root_key_is_refused(tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "root.key"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(RootKeyError, match=says):
        RootKey.from_file(path)


def test_a_root_key_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(RootKeyError, match="No such file"):
        RootKey.from_file(tmp_path / "none")
    with pytest.raises(RootKeyError, match="No such file"):
        RootKey.generate_file(tmp_path / "no" / "folder")


def test_tenant_keys_open_with_their_root_key_and_tenant_only() -> None:
    root, keys = RootKey(new_key()), TenantKeys.generate()
    wrapped = keys.wrapped_by(root, ACME)
    assert TenantKeys.unwrap(wrapped, root, ACME) == keys
    assert keys.tenant_key not in wrapped
    with pytest.raises(WrongKey, match=root.id):
        TenantKeys.unwrap(wrapped, RootKey(new_key()), ACME)
    with pytest.raises(Damaged, match="another tenant"):
        TenantKeys.unwrap(wrapped, root, GLOBEX)


def test_a_mailbox_key_opens_for_its_mailbox_only() -> None:
    keys, key = TenantKeys.generate(), new_key()
    wrapped = keys.wrap_mailbox_key(key, ACME, ANNA)
    assert keys.unwrap_mailbox_key(wrapped, ACME, ANNA) == key
    for tenant, mailbox in ((ACME, BEN), (GLOBEX, ANNA)):
        with pytest.raises(Damaged):
            keys.unwrap_mailbox_key(wrapped, tenant, mailbox)
    with pytest.raises(WrongKey):
        TenantKeys.generate().unwrap_mailbox_key(wrapped, ACME, ANNA)


@pytest.mark.parametrize("length", [0, 13, 41])
def test_a_wrapped_key_that_was_cut_off_is_damaged(length: int) -> None:
    key = new_key()
    with pytest.raises(Damaged, match="too short"):
        unwrap_key(wrap_key(new_key(), key, b"x")[:length], key, b"x")


def test_escrow_copies_are_written_once(world: World) -> None:
    wrapped = world.keys.wrap_mailbox_key(world.mailbox_keys[ANNA], ACME, ANNA)
    with pytest.raises(RepositoryError, match="another key is there"):
        world.vault.save_mailbox_key(ANNA, wrapped)
    with pytest.raises(RepositoryError, match="another key is there"):
        world.vault.save_keys(world.keys.wrapped_by(world.root, ACME))
    kept = world.backend.get(f"tenants/{ACME}/keys/mailbox-{ANNA}.1")
    world.vault.save_mailbox_key(ANNA, kept)
    world.vault.save_keys(world.backend.get(f"tenants/{ACME}/keys/tenant.1"))


def test_an_escrow_copy_that_would_not_open_is_refused(world: World) -> None:
    world.mailbox_keys[GLOBEX] = new_key()
    for wrapped in (
        world.keys.wrap_mailbox_key(new_key(), ACME, GLOBEX),
        TenantKeys.generate().wrap_mailbox_key(world.mailbox_keys[GLOBEX], ACME, GLOBEX),
    ):
        with pytest.raises(WrongKey, match=str(GLOBEX)):
            world.vault.save_mailbox_key(GLOBEX, wrapped)


def test_rewrapped_keys_are_found_by_their_version(filled: World) -> None:
    before = read_all(filled.reopened(), ANNA)
    filled.root = RootKey(new_key())
    filled.vault.save_keys(filled.keys.wrapped_by(filled.root, ACME), version=2)
    wrapped = filled.keys.wrap_mailbox_key(filled.mailbox_keys[ANNA], ACME, ANNA)
    filled.vault.save_mailbox_key(ANNA, wrapped, version=10)
    assert read_all(filled.reopened(), ANNA) == before


def test_without_its_key_a_mailbox_stays_closed_and_the_others_open(filled: World) -> None:
    filled.backend.delete(f"tenants/{ACME}/keys/mailbox-{ANNA}.1")
    vault = filled.reopened()
    with pytest.raises(NotFound, match=f"mailbox-{ANNA}"):
        vault.state(ANNA)
    assert set(read_all(vault, BEN)) == {"copy"}


def test_a_blob_key_is_hkdf_of_the_secret_and_the_content() -> None:
    """As docs/repository-format.md says it, computed by somebody else's HKDF."""
    keys = TenantKeys.generate()
    ref = BlobCodec(keys).reference(b"some part")
    info = b"stowage/blob-key\0" + hashlib.sha256(b"some part").digest()
    assert ref.key == HKDF(SHA256(), 32, salt=None, info=info).derive(keys.blob_secret)

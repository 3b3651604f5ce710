"""Rotation wraps again: at every moment the old key or the new one opens everything."""

from __future__ import annotations

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from backups.repository import (
    Cost,
    Damaged,
    FolderBackend,
    NotFound,
    RepositoryError,
    RootKey,
    ServiceKey,
    TenantKeys,
    Unavailable,
    WrongKey,
    new_key,
    retire,
    rewrap_tenant_keys,
    rotate_tenant_key,
    write_recovery,
)
from backups.repository.escrow import escrowed_keys

from .world import ACME, ANNA, BEN, GLOBEX, World, read_all

KEYS = f"tenants/{ACME}/keys/"


class Service:
    """A key management service with two keys, which it never gives out."""

    def __init__(self, number: int = 1, secret: bytes = b"s" * 32) -> None:
        self.id = f"service/keys/{number}"
        self.calls = 0
        self._secret = AESGCM(secret)

    def encrypt(self, plaintext: bytes, context: bytes) -> bytes:
        return self._secret.encrypt(b"n" * 12, plaintext, context)

    def decrypt(self, ciphertext: bytes, context: bytes) -> bytes | None:
        self.calls += 1
        try:
            return self._secret.decrypt(b"n" * 12, ciphertext, context)
        except InvalidTag:
            return None


def opens(world: World, root: RootKey | ServiceKey) -> bool:
    try:
        vault = world.repository.escrowed_vault(ACME, root)
    except WrongKey:
        return False
    return {**read_all(vault, ANNA), **read_all(vault, BEN)}.keys() == {"report", "late", "copy"}


def test_a_new_root_key_opens_everything_and_the_old_one_until_it_is_retired(
    filled: World,
) -> None:
    fresh = RootKey(new_key())
    assert rewrap_tenant_keys(filled.backend, ACME, filled.keys, fresh) == f"{KEYS}tenant.2"
    assert opens(filled, fresh)
    assert opens(filled, filled.root)
    assert retire(filled.backend, ACME, filled.keys, fresh) == [f"{KEYS}tenant.1"]
    assert opens(filled, fresh)
    assert not opens(filled, filled.root)


def test_rewrapping_again_writes_nothing(filled: World) -> None:
    name = rewrap_tenant_keys(filled.backend, ACME, filled.keys, filled.root)
    assert name == f"{KEYS}tenant.1"
    assert not filled.backend.exists(f"{KEYS}tenant.2")


def test_a_key_service_can_take_the_root_keys_place(filled: World) -> None:
    service = ServiceKey(Service())
    rewrap_tenant_keys(filled.backend, ACME, filled.keys, service)
    assert opens(filled, service)
    retire(filled.backend, ACME, filled.keys, service)
    assert opens(filled, service)
    with pytest.raises(WrongKey, match="key management service"):
        filled.repository.escrowed_vault(ACME, filled.root)


def test_another_key_of_the_service_is_not_even_asked(filled: World) -> None:
    rewrap_tenant_keys(filled.backend, ACME, filled.keys, ServiceKey(Service(1)))
    other = Service(2)
    with pytest.raises(WrongKey, match="service/keys/1"):
        TenantKeys.unwrap(filled.backend.get(f"{KEYS}tenant.2"), ServiceKey(other), ACME)
    assert other.calls == 0


def test_what_a_service_wrapped_is_bound_to_its_tenant() -> None:
    service = ServiceKey(Service())
    wrapped = TenantKeys.generate().wrapped_by(service, ACME)
    with pytest.raises(Damaged):
        TenantKeys.unwrap(wrapped, service, GLOBEX)
    for length in (3, 7, 12):
        with pytest.raises((Damaged, WrongKey)):
            TenantKeys.unwrap(wrapped[:length], service, ACME)


def test_a_new_tenant_key_wraps_every_mailbox_key_again(filled: World) -> None:
    fresh = rotate_tenant_key(filled.backend, ACME, filled.keys, filled.root)
    assert fresh.tenant_key != filled.keys.tenant_key
    assert (fresh.id_key, fresh.blob_secret) == (filled.keys.id_key, filled.keys.blob_secret)
    assert escrowed_keys(filled.backend, ACME, filled.root) == fresh
    assert opens(filled, filled.root)
    retired = retire(filled.backend, ACME, fresh, filled.root)
    assert retired == [f"{KEYS}tenant.1", *(f"{KEYS}mailbox-{m}.1" for m in (ANNA, BEN))]
    assert opens(filled, filled.root)
    wrapped = filled.backend.get(f"{KEYS}mailbox-{ANNA}.2")
    with pytest.raises(WrongKey):
        filled.keys.unwrap_mailbox_key(wrapped, ACME, ANNA)


class Failing(FolderBackend):
    left = 0

    def put_immutable(self, key: str, data: bytes | bytearray | memoryview) -> None:
        if not self.left:
            raise Unavailable("the cable")
        self.left -= 1
        super().put_immutable(key, data)


@pytest.mark.parametrize("writes", [0, 1, 2])
def test_a_rotation_that_stops_anywhere_locks_nobody_out_and_is_done_again(
    filled: World, writes: int
) -> None:
    backend = Failing(filled.path)
    backend.left = writes
    with pytest.raises(Unavailable):
        rotate_tenant_key(backend, ACME, filled.keys, filled.root)
    assert opens(filled, filled.root)
    keys = escrowed_keys(filled.backend, ACME, filled.root)
    fresh = rotate_tenant_key(filled.backend, ACME, keys, filled.root)
    assert opens(filled, filled.root)
    retire(filled.backend, ACME, fresh, filled.root)
    assert opens(filled, filled.root)


def test_nothing_is_retired_while_the_newest_does_not_open(filled: World) -> None:
    rewrap_tenant_keys(filled.backend, ACME, filled.keys, RootKey(new_key()))
    with pytest.raises(WrongKey):
        retire(filled.backend, ACME, filled.keys, filled.root)
    with pytest.raises(RepositoryError, match="other keys"):
        retire(
            filled.backend,
            ACME,
            TenantKeys.generate(),
            _rewrapped(filled),
        )
    assert opens(filled, filled.root)


def _rewrapped(world: World) -> RootKey:
    fresh = RootKey(new_key())
    rewrap_tenant_keys(world.backend, ACME, world.keys, fresh)
    return fresh


def test_nothing_is_retired_while_the_recovery_copy_holds_the_old_tenant_key(
    filled: World,
) -> None:
    cost = Cost(64, 1, 1)
    write_recovery(filled.backend, ACME, filled.keys, "a long passphrase", cost)
    fresh = rotate_tenant_key(filled.backend, ACME, filled.keys, filled.root)
    with pytest.raises(RepositoryError, match=r"recovery\.1: holds another tenant key"):
        retire(filled.backend, ACME, fresh, filled.root)
    assert filled.backend.exists(f"{KEYS}mailbox-{ANNA}.1")
    write_recovery(filled.backend, ACME, fresh, "a long passphrase", cost)
    retire(filled.backend, ACME, fresh, filled.root)
    vault = filled.repository.recovered_vault(ACME, "a long passphrase")
    assert set(read_all(vault, BEN)) == {"copy"}


def test_a_tenant_without_keys_has_none_to_retire(filled: World) -> None:
    with pytest.raises(NotFound):
        retire(filled.backend, GLOBEX, filled.keys, filled.root)

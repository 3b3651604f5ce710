"""The tenant's own passphrase, and a new root key for an old one."""

from __future__ import annotations

from io import StringIO
from pathlib import Path
from uuid import UUID

import pytest
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import CommandError

from backups.infrastructure.keys import open_vault, root_key, seal_secret, unseal_secret
from backups.infrastructure.services import allocate, create_repository, open_stored
from backups.repository import Cost, WrongKey, layout, open_recovery, write_recovery
from tenants.isolation.scope import tenant_scope
from tenants.models import TenantKey
from tests.cast import Cast
from tests.web.conftest import SignIn

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "operator", "owner"])

ADDRESS = "/t/acme/infrastructure/recovery/"
WORDS = "seven random words are hard to guess"


def test_a_tenant_opens_its_share_with_the_passphrase_it_set(cast: Cast, sign_in: SignIn) -> None:
    client = sign_in(cast.admin)
    repository = cast.acme.allocation.repository_id
    assert b"None is set" in client.get("/t/acme/infrastructure/").content
    answer = client.post(ADDRESS, {"passphrase": WORDS, "again": WORDS}, follow=True)
    assert "is set. Keep it" in answer.content.decode()
    assert b"Set a new one" in answer.content
    backend = open_stored(repository).backend
    with tenant_scope(cast.acme.id):
        keys = open_vault(repository).keys
    assert open_recovery(backend, cast.acme.id, WORDS) == keys
    with pytest.raises(WrongKey):
        open_recovery(backend, cast.acme.id, "another passphrase")
    with pytest.raises(WrongKey):
        open_recovery(backend, cast.globex.id, WORDS)


@pytest.mark.parametrize(
    ("form", "reason"),
    [
        ({"passphrase": "too short", "again": "too short"}, "Too short"),
        ({"passphrase": WORDS, "again": WORDS + "!"}, "not the same"),
        ({}, "required"),
    ],
)
def test_a_passphrase_that_will_not_do_is_refused(
    cast: Cast, sign_in: SignIn, form: dict[str, str], reason: str
) -> None:
    answer = sign_in(cast.admin).post(ADDRESS, form)
    assert reason in answer.content.decode()


def test_every_tenant_is_wrapped_by_a_new_root_key_and_the_old_one_retired(
    cast: Cast, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository = cast.acme.allocation.repository_id
    new = tmp_path / "new.key"
    with tenant_scope(cast.acme.id):
        secret, keys = seal_secret("row", "kept"), open_vault(repository).keys

    for _ in range(2):  # who stops in between calls it again
        call_command("rewrap_keys", str(new), stdout=StringIO())
    with tenant_scope(cast.acme.id):
        assert TenantKey.objects.count() == 2
        assert open_vault(repository).keys == keys
    with pytest.raises(CommandError, match="new root key"):
        call_command("retire_keys", stdout=StringIO())

    monkeypatch.setattr(settings, "ROOT_KEY_FILE", new)
    root_key.cache_clear()
    try:
        out = StringIO()
        call_command("retire_keys", stdout=out)
        assert "2 old versions removed" in out.getvalue()
        with tenant_scope(cast.acme.id):
            assert [row.version for row in TenantKey.objects.all()] == [2]
            assert open_vault(repository).keys == keys
            assert unseal_secret("row", secret) == "kept"
        escrowed = open_stored(repository).escrowed_vault(cast.acme.id, root_key())
        assert escrowed.keys == keys
    finally:
        root_key.cache_clear()


def test_nothing_of_a_tenant_is_retired_while_one_repository_has_an_old_recovery_copy(
    cast: Cast, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two repositories, of which the second alone has a copy with another tenant key."""
    first = cast.acme.allocation.repository
    second = create_repository(proxy=first.proxy, name="Second", location=tmp_path / "second")
    allocate(tenant=cast.acme.tenant, repository=second, name="Acme's second share")
    new = tmp_path / "new.key"
    with tenant_scope(cast.acme.id):
        keys = open_vault(second.pk).keys
    backend = open_stored(second.pk).backend
    write_recovery(backend, cast.acme.id, keys.with_new_tenant_key(), WORDS, Cost(64, 1, 1))
    call_command("rewrap_keys", str(new), stdout=StringIO())

    def copies() -> dict[UUID, list[str]]:
        prefix = layout.keys_prefix(cast.acme.id)
        return {r.pk: sorted(open_stored(r.pk).backend.list(prefix)) for r in (first, second)}

    before = copies()
    monkeypatch.setattr(settings, "ROOT_KEY_FILE", new)
    root_key.cache_clear()
    try:
        with pytest.raises(CommandError, match=r"recovery\.1: .*Nothing of this tenant was remov"):
            call_command("retire_keys", stdout=StringIO())
        assert copies() == before
        with tenant_scope(cast.acme.id):
            assert [row.version for row in TenantKey.objects.order_by("version")] == [1, 2]
        write_recovery(backend, cast.acme.id, keys, WORDS, Cost(64, 1, 1))
        out = StringIO()
        call_command("retire_keys", stdout=out)
        assert f"{cast.acme.tenant}: 3 old versions removed" in out.getvalue()
    finally:
        root_key.cache_clear()

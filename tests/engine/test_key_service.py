"""The tenants' keys wrapped by a key service instead of the root key's file."""

from __future__ import annotations

from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import pytest
from django.conf import LazySettings
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command

from backups.infrastructure.keys import ensure_root_key, root_key, tenant_keys
from backups.infrastructure.wrapping import KeyServiceDown, PatientService, service_key
from backups.organizations.checking import check_organization
from backups.organizations.models import Organization
from backups.repository import RootKeyError, WrongKey
from backups.tick import tick
from portal import environment
from tenants.isolation.scope import tenant_scope
from tenants.models import TenantKey
from tests.engine import kms
from tests.engine.world import World

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "operator", "owner"])


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[kms.Service]:
    made = kms.Service()
    monkeypatch.setattr(kms, "THE_SERVICE", made)
    yield made
    root_key.cache_clear()


def restarted(settings: LazySettings, path: str) -> None:
    """Every process runs with this setting now, and remembers nothing."""
    settings.KEY_SERVICE = path
    root_key.cache_clear()
    ensure_root_key()


@pytest.fixture
def moved(world: World, service: kms.Service, settings: LazySettings) -> World:
    """A world that was backed up with the file, and goes on with the service."""
    world.run_job()
    call_command("rewrap_keys", service=kms.PATH, stdout=StringIO())
    restarted(settings, kms.PATH)
    return world


def test_everything_goes_on_with_the_service_and_without_the_file(
    moved: World, settings: LazySettings, tmp_path: Path
) -> None:
    out = StringIO()
    call_command("retire_keys", stdout=out)
    assert "2 old versions removed" in out.getvalue()
    settings.ROOT_KEY_FILE = tmp_path / "gone"
    moved.add("Inbox", "new")
    assert moved.run_job().state == "success"
    moved.verify()
    (copy,) = Path(moved.repository.location).glob("tenants/*/keys/tenant.*")
    assert copy.read_bytes().startswith(b"STWM")
    with tenant_scope(moved.id):
        assert [bytes(row.wrapped)[:4] for row in TenantKey.objects.all()] == [b"STWM"]


def test_back_to_a_file(moved: World, settings: LazySettings, tmp_path: Path) -> None:
    call_command("rewrap_keys", str(tmp_path / "new.key"), stdout=StringIO())
    settings.ROOT_KEY_FILE = tmp_path / "new.key"
    restarted(settings, "")
    call_command("retire_keys", stdout=StringIO())
    assert moved.run_job().state == "success"


def test_the_service_is_not_asked_for_what_it_has_just_said(
    moved: World, service: kms.Service
) -> None:
    assert moved.run_job().state == "success"
    before = service.asked
    assert moved.run_job().state == "success"
    assert service.asked == before


class TestDown:
    def test_a_backup_says_so_and_the_tick_goes_on(
        self, moved: World, service: kms.Service, settings: LazySettings
    ) -> None:
        service.is_down, before = True, service.asked
        restarted(settings, kms.PATH)
        # The credential can't be opened, so it ends before there is a task.
        session = moved.start()
        assert (session.state, session.reason) == (
            "failed",
            "The service that keeps the provider's keys does not answer.",
        )
        tick()
        assert service.asked - before < 5
        service.is_down = False
        restarted(settings, kms.PATH)
        assert moved.run_job().state == "success"

    def test_a_check_of_the_organization_says_so(
        self, moved: World, service: kms.Service, settings: LazySettings
    ) -> None:
        service.is_down = True
        restarted(settings, kms.PATH)
        with tenant_scope(moved.id):
            check = check_organization(organization=Organization.objects.get())
        assert "cannot be opened at the moment" in check.error

    def test_it_is_left_alone_for_a_while(self) -> None:
        service, now = kms.Service(), [0.0]
        patient = PatientService(service, lambda: now[0])
        wrapped = patient.encrypt(b"key", b"context")
        service.is_down = True
        for _ in range(50):
            with pytest.raises(KeyServiceDown, match=r"kms://test/key/1 .* connection refused"):
                patient.decrypt(wrapped, b"context")
        assert service.asked == 2
        service.is_down, now[0] = False, 11.0
        assert patient.decrypt(wrapped, b"context") == b"key"

    def test_what_it_has_said_is_forgotten_in_the_end(self) -> None:
        service, now = kms.Service(), [0.0]
        patient = PatientService(service, lambda: now[0])
        wrapped = patient.encrypt(b"key", b"context")
        for moment, asked in ((1.0, 2), (500.0, 2), (700.0, 3)):
            now[0] = moment
            assert patient.decrypt(wrapped, b"context") == b"key"
            assert service.asked == asked


class TestNonsense:
    @pytest.mark.parametrize("path", ["nowhere.at.all:x", "tests.engine.kms:nothing"])
    def test_no_such_service(self, path: str) -> None:
        with pytest.raises(RootKeyError, match=f"PORTAL_KEY_SERVICE: {path}"):
            service_key(path)

    def test_a_service_that_cannot_be_made(self) -> None:
        with pytest.raises(RootKeyError, match="no credentials"):
            service_key("tests.engine.kms:broken")

    def test_a_path_that_is_none(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PORTAL_KEY_SERVICE", "kms.example/key")
        with pytest.raises(ImproperlyConfigured, match="PORTAL_KEY_SERVICE"):
            environment.factory("PORTAL_KEY_SERVICE")

    def test_the_command_takes_one_of_the_two(self, transactional_db: None) -> None:
        with pytest.raises(CommandError, match="root key's file, or a key service"):
            call_command("rewrap_keys")

    def test_a_tenant_wrapped_by_it_does_not_open_without_it(
        self, moved: World, settings: LazySettings, tmp_path: Path
    ) -> None:
        call_command("retire_keys", stdout=StringIO())
        restarted(settings, "")
        with tenant_scope(moved.id), pytest.raises(WrongKey, match="key management service"):
            tenant_keys()

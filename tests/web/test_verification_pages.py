"""Verification on the pages: items for the tenant, objects for the operator."""

from __future__ import annotations

from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import call_command
from django.db.models.functions import Now
from django.utils import timezone

from backups.verifications import services
from backups.verifications.models import DamagedItem, Level, State, Verification
from tenants.isolation.scope import operator_scope, tenant_scope
from tests.cast import CANARY, Cast
from tests.web.conftest import SignIn

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "operator", "owner"])

TENANT = "/t/acme/infrastructure/"


def address(cast: Cast, suffix: str = "") -> str:
    return f"/operator/allocations/{cast.acme.allocation.pk}/{suffix}"


def newest(cast: Cast) -> Verification:
    with tenant_scope(cast.acme.id):
        return Verification.objects.first()  # type: ignore[return-value]


def test_a_tenant_sees_what_damage_costs_by_item(cast: Cast, sign_in: SignIn) -> None:
    page = sign_in(cast.admin).get(TENANT).content.decode()
    assert "Damage found" in page
    assert "1 item</strong> cannot be restored" in page
    assert f"/mailboxes/{cast.acme.mailbox.pk}/items/{cast.acme.item.pk}/" in page
    assert "Quarterly figures" in page
    assert f"from the restore point {cast.acme.point.taken_at:%Y-%m-%d %H:%M} on" in page
    assert "packs/00" not in page
    assert CANARY not in page


def test_whoever_may_not_see_content_sees_mailboxes_and_numbers(
    cast: Cast, sign_in: SignIn
) -> None:
    page = sign_in(cast.reader).get(TENANT).content.decode()
    assert "1 item</strong> cannot be restored" in page
    assert cast.acme.mailbox.address in page
    assert "Quarterly figures" not in page


def test_what_is_healed_is_said_to_be(cast: Cast, sign_in: SignIn) -> None:
    with tenant_scope(cast.acme.id):
        DamagedItem.objects.update(healed_at=Now())
    page = sign_in(cast.reader).get(TENANT).content.decode()
    assert "cannot be restored" not in page
    assert "1 item no longer damaged" in page


def test_an_operator_sees_objects_and_no_items(cast: Cast, sign_in: SignIn) -> None:
    page = sign_in(cast.operator).get(address(cast)).content.decode()
    assert f"tenants/{cast.acme.id}/packs/00/pack" in page
    assert "Repair" in page
    assert "Quarterly figures" not in page
    assert CANARY not in page


def test_an_operator_verifies_pauses_resumes_and_stops(cast: Cast, sign_in: SignIn) -> None:
    client, path = sign_in(cast.operator), address(cast, "verification/")
    page = client.post(path, {"wish": "full"}, follow=True).content.decode()
    assert "is being verified now" in page
    assert newest(cast).requested_by_id == cast.operator.pk
    assert (
        b"is being verified already" in client.post(path, {"wish": "sample"}, follow=True).content
    )
    assert b"Resume" in client.post(path, {"wish": "pause"}, follow=True).content
    assert newest(cast).state == State.PAUSED
    client.post(path, {"wish": "resume"})
    assert newest(cast).state == State.QUEUED
    assert b"Verify now" in client.post(path, {"wish": "stop"}, follow=True).content
    assert newest(cast).state == State.STOPPED
    assert b"Nothing is being verified" in client.post(path, {"wish": "pause"}, follow=True).content
    assert b"no such verification" in client.post(path, {"wish": "burn"}, follow=True).content


def test_repair_is_asked_for_by_command_too(cast: Cast) -> None:
    said = StringIO()
    call_command("repair", "acme", stdout=said, stderr=said)
    assert "known damage, queued" in said.getvalue()
    assert newest(cast).level == Level.REPAIR
    call_command("verify", "acme", stdout=said, stderr=said)
    assert "is being verified already" in said.getvalue()


def test_a_suspended_tenant_is_not_verified_by_time(cast: Cast) -> None:
    later = timezone.now() + timedelta(days=400)
    with operator_scope():
        Verification.objects.all().delete()
        cast.acme.tenant.state = "suspended"
        cast.acme.tenant.save(using="operator", update_fields=["state"])
    assert services.start_due(later) == 1
    with tenant_scope(cast.acme.id):
        assert not Verification.objects.exists()

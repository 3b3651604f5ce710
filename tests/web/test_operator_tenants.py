"""The operator's pages of tenants: creating, inviting, allocating, suspending."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import DataError, IntegrityError, connections, transaction
from django.test import Client
from django.utils import timezone

from backups.infrastructure.models import Allocation
from backups.jobs.models import Job
from backups.jobs.services import start_due_jobs
from backups.sessions.models import Session
from tenants.isolation.scope import tenant_scope
from tenants.models import AuditEvent, Invitation, Membership, OutboxMessage, Tenant
from tests.cast import Cast
from tests.web.conftest import SignIn

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "operator", "owner"])

NEW = "/operator/tenants/new/"
HUGE = "x" * 10_240


def values(cast: Cast, **changed: object) -> dict[str, object]:
    return {
        "name": "Initech Ltd",
        "slug": "",
        "time_zone": "Europe/Berlin",
        "email": "bill@initech.example",
        "person_name": "Bill",
        "repository": str(cast.repository.pk),
        "share_name": "",
        "quota": "50",
        **changed,
    }


def page_of(cast: Cast) -> str:
    return f"/operator/tenants/{cast.acme.id}/"


def test_one_form_makes_a_tenant_its_share_and_an_invitation(cast: Cast, sign_in: SignIn) -> None:
    response = sign_in(cast.operator).post(NEW, values(cast), follow=True)
    page = response.content.decode()
    assert response.redirect_chain[-1][1] == 302
    assert "bill@initech.example" in page
    tenant = Tenant.objects.using("operator").get(slug="initech-ltd")
    assert tenant.time_zone == "Europe/Berlin"
    with tenant_scope(tenant.pk):
        share = Allocation.objects.get()
        assert (share.name, share.quota_bytes) == ("Initech Ltd's mail", 50 * 1024**3)
        assert Invitation.objects.get(tenant=tenant).email == "bill@initech.example"
        events = AuditEvent.objects.order_by("at").values_list("action", "person_id")
        assert list(events) == [
            ("tenant.created", cast.operator.pk),
            ("allocation.created", cast.operator.pk),
            ("person.invited", cast.operator.pk),
            ("recipient.added", cast.operator.pk),
        ]
    message = OutboxMessage.objects.using("operator").get(to="bill@initech.example")
    assert "Initech Ltd" in message.subject
    assert "/invitation/" in message.text


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"name": ""}, "This field is required"),
        ({"name": HUGE}, "at most 200 characters"),
        ({"name": "!!!"}, "The name gives none: write one"),
        ({"name": "a\0b"}, "Null characters are not allowed"),
        ({"slug": "acme"}, "Another tenant has acme"),
        ({"name": "Acme"}, "Another tenant has acme"),
        ({"slug": "No Such/Slug"}, "Use lower-case letters"),
        ({"slug": HUGE}, "at most 40 characters"),
        ({"time_zone": "Europe/Atlantis"}, "There is no such time zone"),
        ({"time_zone": "../../etc/passwd"}, "There is no such time zone"),
        ({"time_zone": ""}, "This field is required"),
        ({"time_zone": HUGE}, "at most 64 characters"),
        ({"email": "bill"}, "Enter a valid email address"),
        ({"email": ""}, "This field is required"),
        ({"email": HUGE + "@x.example"}, "at most 254 characters"),
        ({"person_name": HUGE}, "at most 200 characters"),
        ({"repository": "x"}, "is not a valid UUID"),
        ({"repository": "018f0000-0000-7000-8000-000000000000"}, "Select a valid choice"),
        ({"share_name": HUGE}, "at most 100 characters"),
        ({"quota": "0"}, "greater than or equal to 1"),
        ({"quota": "9" * 30}, "less than or equal to 10000000"),
        ({"quota": "many"}, "Enter a whole number"),
    ],
)
def test_a_wrong_tenant_is_refused_beside_the_field_and_nothing_is_made(
    cast: Cast, sign_in: SignIn, changed: dict[str, str], message: str
) -> None:
    before = Tenant.objects.using("operator").count()
    page = sign_in(cast.operator).post(NEW, values(cast, **changed)).content.decode()
    assert message in page.replace("&quot;", '"')
    assert 'aria-invalid="true"' in page
    if "person_name" not in changed:
        assert 'value="Bill"' in page
    assert Tenant.objects.using("operator").count() == before
    assert not OutboxMessage.objects.using("operator").filter(to__contains="bill").exists()


def test_an_empty_form_says_what_is_missing(cast: Cast, sign_in: SignIn) -> None:
    page = sign_in(cast.operator).post(NEW, {}).content.decode()
    assert page.count("This field is required") == 3


def test_a_tenant_can_begin_without_storage(cast: Cast, sign_in: SignIn) -> None:
    sign_in(cast.operator).post(NEW, values(cast, repository="", quota=""))
    tenant = Tenant.objects.using("operator").get(slug="initech-ltd")
    with tenant_scope(tenant.pk):
        assert not Allocation.objects.exists()


@pytest.mark.parametrize("zone", ["Mars/Olympus", "", "' OR 1=1"])
def test_the_database_refuses_a_time_zone_that_does_not_exist(cast: Cast, zone: str) -> None:
    tenants = Tenant.objects.using("operator").filter(pk=cast.acme.id)
    with pytest.raises((DataError, IntegrityError)), transaction.atomic(using="operator"):
        tenants.update(time_zone=zone)
    tenants.update(time_zone="America/Sao_Paulo")


def test_the_list_shows_a_traffic_light_and_who_is_overdue(cast: Cast, sign_in: SignIn) -> None:
    client = sign_in(cast.operator)
    with tenant_scope(cast.acme.id):
        Job.objects.filter(pk=cast.acme.job.pk).update(state=Job.State.FAILED)
    page = client.get("/operator/tenants/").content.decode()
    assert "state-failed" in page
    assert "Overdue" not in page
    with tenant_scope(cast.acme.id):
        Job.objects.filter(pk=cast.acme.job.pk).update(
            next_run_at=timezone.now() - timedelta(hours=1)
        )
    assert "Overdue" in client.get("/operator/tenants/").content.decode()
    assert "Acme" in client.get("/operator/tenants/", {"q": "ACM"}).content.decode()
    assert "No tenant matches" in client.get("/operator/tenants/?q=nobody").content.decode()


@pytest.mark.parametrize("query", ["page=0", "sort=-stored", "sort=result", "state=x", "q=%00"])
def test_nonsense_in_the_lists_address_breaks_nothing(
    cast: Cast, sign_in: SignIn, query: str
) -> None:
    assert sign_in(cast.operator).get(f"/operator/tenants/?{query}").status_code == 200


def test_a_suspended_tenant_is_closed_and_keeps_everything(cast: Cast, sign_in: SignIn) -> None:
    operator, admin = sign_in(cast.operator), sign_in(cast.admin)
    with tenant_scope(cast.acme.id):
        Job.objects.filter(pk=cast.acme.job.pk).update(
            schedule="interval", interval_minutes=5, next_run_at=timezone.now()
        )
        sessions = Session.objects.count()
    operator.post(f"{page_of(cast)}suspend/")
    response = admin.get("/t/acme/organizations/")
    assert response.status_code == 403
    assert b"Acme is suspended" in response.content
    assert start_due_jobs(timezone.now() + timedelta(seconds=1)) == 0
    assert sign_in(cast.globex_admin).get("/t/globex/organizations/").status_code == 200
    operator.post(f"{page_of(cast)}resume/")
    assert admin.get("/t/acme/organizations/").status_code == 200
    with tenant_scope(cast.acme.id):
        assert Session.objects.count() == sessions
        actions = set(AuditEvent.objects.values_list("action", flat=True))
    assert {"tenant.suspended", "tenant.resumed"} <= actions


def test_whoever_is_no_member_learns_nothing_of_a_suspended_tenant(
    cast: Cast, sign_in: SignIn
) -> None:
    sign_in(cast.operator).post(f"{page_of(cast)}suspend/")
    assert sign_in(cast.globex_admin).get("/t/acme/organizations/").status_code == 404
    assert Client().get("/t/acme/organizations/").status_code == 302


def test_the_operator_invites_again_and_withdraws(cast: Cast, sign_in: SignIn) -> None:
    client = sign_in(cast.operator)
    sent = {"email": "second@acme.example", "role": "administrator"}
    assert b"second@acme.example" in client.post(page_of(cast), sent, follow=True).content
    first = Invitation.objects.using("operator").get(email="second@acme.example")
    client.post(f"{page_of(cast)}invitations/{first.pk}/again/")
    second = Invitation.objects.using("operator").get(email="second@acme.example")
    assert bytes(second.hash) != bytes(first.hash)
    client.post(f"{page_of(cast)}invitations/{second.pk}/withdraw/")
    assert not Invitation.objects.using("operator").filter(email="second@acme.example").exists()
    assert Membership.objects.using("operator").filter(tenant=cast.acme.id).count() == 3


def test_an_invitation_is_only_reached_through_its_tenant(cast: Cast, sign_in: SignIn) -> None:
    foreign = cast.globex.invitation.pk
    path = f"{page_of(cast)}invitations/{foreign}/withdraw/"
    assert sign_in(cast.operator).post(path).status_code == 404
    assert Invitation.objects.using("operator").filter(pk=foreign).exists()


def test_a_member_cannot_be_invited_by_the_operator_either(cast: Cast, sign_in: SignIn) -> None:
    sent = {"email": cast.admin.email, "role": "auditor"}
    page = sign_in(cast.operator).post(page_of(cast), sent).content.decode()
    assert "is a member already" in page
    assert f'value="{cast.admin.email}"' in page


def test_nothing_of_a_new_tenant_stays_when_its_share_cannot_be_made(
    cast: Cast, sign_in: SignIn
) -> None:
    with connections["owner"].cursor() as cursor:
        cursor.execute(
            "ALTER TABLE backups_allocation ADD CONSTRAINT refused CHECK (quota_bytes <> 77 * 1024"
            "::bigint * 1024 * 1024) NOT VALID"
        )
    try:
        page = sign_in(cast.operator).post(NEW, values(cast, quota="77")).content.decode()
    finally:
        with connections["owner"].cursor() as cursor:
            cursor.execute("ALTER TABLE backups_allocation DROP CONSTRAINT refused")
    assert 'aria-invalid="true"' in page
    assert not Tenant.objects.using("operator").filter(slug="initech-ltd").exists()

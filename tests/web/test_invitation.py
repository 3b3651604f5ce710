"""Inviting somebody, and joining by the link: through the pages."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.contrib.auth import get_user
from django.db import connections
from django.test import Client
from django.utils import timezone

from tenants.isolation.scope import tenant_scope
from tenants.models import AuditEvent, Invitation, Membership, OutboxMessage, Person, Tenant
from tenants.people.permissions import Role
from tenants.people.services import hash_of, invite
from tests.cast import CANARY, PASSWORD, Cast
from tests.web.conftest import SignIn

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "operator", "owner"])

EMAIL = "new.colleague@acme.example"
NEW_PASSWORD = "seven small herons"
HUGE = "x" * 10_240


def link_of(tenant: Tenant, email: str = EMAIL) -> str:
    """The path of the link in the newest e-mail to this address."""
    messages = OutboxMessage.objects.using("operator").filter(tenant=tenant, to=email)
    text = messages.order_by("-created_at")[0].text
    found = re.search(r"https?://[^/\s]+(/invitation/[\w-]+/)", text)
    assert found, text
    return found[1]


def invited(cast: Cast, email: str = EMAIL, role: Role = Role.OPERATOR) -> str:
    with tenant_scope(cast.acme.id):
        invite(email=email, role=role, name="Ines", person_id=cast.admin.pk)
    return link_of(cast.acme.tenant, email)


def opened(client: Client, link: str) -> str:
    return client.get(link, follow=True).content.decode()


def answer(invitation_page: str, **values: str) -> dict[str, str]:
    found = re.search(r'name="invitation" value="([^"]+)"', invitation_page)
    assert found
    password = {"password": NEW_PASSWORD, "again": NEW_PASSWORD}
    return {"invitation": found[1], "name": "Ines Moreau", **password, **values}


def roles(cast: Cast, email: str = EMAIL) -> list[str]:
    with tenant_scope(cast.acme.id):
        members = Membership.objects.filter(tenant=cast.acme.tenant, person__email=email)
        return list(members.values_list("role", flat=True))


def test_a_new_person_joins_by_the_link_and_is_signed_in(cast: Cast, sign_in: SignIn) -> None:
    sent = sign_in(cast.admin).post(
        "/t/acme/people/", {"email": EMAIL.upper(), "name": "Ines", "role": "operator"}, follow=True
    )
    assert EMAIL.encode() in sent.content
    client = Client()
    page = opened(client, link_of(cast.acme.tenant))
    assert "Join Acme" in page
    assert EMAIL in page
    assert 'value="Ines"' in page
    response = client.post("/invitation/", answer(page), follow=True)
    assert response.redirect_chain[-1][0] == "/t/acme/organizations/"
    assert b"Welcome to Acme" in response.content
    assert roles(cast) == [Role.OPERATOR]
    assert Client().post("/account/login/", {"login": EMAIL, "password": NEW_PASSWORD}).url == "/"
    with tenant_scope(cast.acme.id):
        actions = list(AuditEvent.objects.order_by("at").values_list("action", flat=True))
    assert actions[-2:] == ["person.invited", "invitation.accepted"]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"name": ""}, "This field is required"),
        ({"name": HUGE}, "at most 200 characters"),
        ({"password": "", "again": ""}, "This field is required"),
        ({"password": "password", "again": "password"}, "too common"),
        ({"password": EMAIL, "again": EMAIL}, "too similar"),
        ({"password": HUGE, "again": HUGE}, "at most 200 characters"),
        ({"again": "something else entirely"}, "The two passwords differ"),
        ({"name": "a\0b"}, "Null characters are not allowed"),
    ],
)
def test_what_is_wrong_is_said_beside_the_field_and_nobody_joins(
    cast: Cast, values: dict[str, str], message: str
) -> None:
    client = Client()
    page = opened(client, invited(cast))
    refused = client.post("/invitation/", answer(page, **values)).content.decode()
    assert message in refused
    assert 'aria-invalid="true"' in refused
    if "name" not in values:
        assert 'value="Ines Moreau"' in refused
    assert NEW_PASSWORD not in refused
    assert roles(cast) == []
    assert client.post("/invitation/", answer(page)).status_code == 302
    assert roles(cast) == [Role.OPERATOR]


def test_somebody_with_an_account_signs_in_first_and_then_joins(cast: Cast) -> None:
    link = invited(cast, cast.globex_admin.email, Role.AUDITOR)
    client = Client()
    page = opened(client, link)
    assert "You have an account" in page
    assert 'name="password"' not in page
    signed = client.post(
        "/account/login/?next=/invitation/",
        {"login": cast.globex_admin.email, "password": PASSWORD, "next": "/invitation/"},
        follow=True,
    ).content.decode()
    assert "Join Acme" in signed
    client.post("/invitation/", answer(signed))
    assert roles(cast, cast.globex_admin.email) == [Role.AUDITOR]


def test_a_password_cannot_be_set_for_somebody_with_an_account(cast: Cast) -> None:
    link = invited(cast, cast.globex_admin.email)
    client = Client()
    opened(client, link)
    with tenant_scope(cast.acme.id):
        invitation = Invitation.objects.get(email=cast.globex_admin.email)
    sent = {"invitation": str(invitation.pk), "name": "x", "password": NEW_PASSWORD}
    client.post("/invitation/", {**sent, "again": NEW_PASSWORD})
    assert roles(cast, cast.globex_admin.email) == []
    assert Person.objects.get(pk=cast.globex_admin.pk).check_password(PASSWORD)


def test_somebody_else_who_is_signed_in_cannot_take_the_invitation(
    cast: Cast, sign_in: SignIn
) -> None:
    client = sign_in(cast.globex_admin)
    page = opened(client, invited(cast))
    assert "Sign out, then open the link" in page
    with tenant_scope(cast.acme.id):
        invitation = Invitation.objects.get(email=EMAIL)
    client.post("/invitation/", {"invitation": str(invitation.pk)})
    assert roles(cast) == roles(cast, cast.globex_admin.email) == []


def use(cast: Cast, link: str) -> str:
    client = Client()
    client.post("/invitation/", answer(opened(client, link)))
    return link


def expire(cast: Cast, link: str) -> str:
    with tenant_scope(cast.acme.id):
        Invitation.objects.filter(email=EMAIL).update(
            expires_at=timezone.now() - timedelta(seconds=1)
        )
    return link


def withdraw(cast: Cast, link: str) -> str:
    with tenant_scope(cast.acme.id):
        invitation = Invitation.objects.get(email=EMAIL)
    client = Client()
    client.force_login(cast.admin)
    client.post(f"/t/acme/people/invitations/{invitation.pk}/withdraw/")
    return link


def send_again(cast: Cast, link: str) -> str:
    with tenant_scope(cast.acme.id):
        invitation = Invitation.objects.get(email=EMAIL)
    client = Client()
    client.force_login(cast.admin)
    client.post(f"/t/acme/people/invitations/{invitation.pk}/again/")
    assert "Join Acme" in opened(Client(), link_of(cast.acme.tenant))
    return link


def tamper(cast: Cast, link: str) -> str:
    return link[:-2] + ("A" if link[-2] != "A" else "B") + "/"


@pytest.mark.parametrize("spoil", [use, expire, withdraw, send_again, tamper])
def test_a_link_that_is_no_longer_good_says_so_and_nothing_else(
    cast: Cast, spoil: Callable[[Cast, str], str]
) -> None:
    client = Client()
    response = client.get(spoil(cast, invited(cast)), follow=True)
    page = response.content.decode()
    assert response.status_code == 410
    assert "This invitation cannot be used" in page
    assert "Acme" not in page
    assert EMAIL not in page


@pytest.mark.parametrize("spoil", [expire, withdraw])
def test_a_link_that_ends_while_its_page_is_open_lets_nobody_in(
    cast: Cast, spoil: Callable[[Cast, str], str]
) -> None:
    client, link = Client(), invited(cast)
    page = opened(client, link)
    spoil(cast, link)
    assert client.post("/invitation/", answer(page)).status_code == 410
    assert roles(cast) == []
    assert not Person.objects.filter(email=EMAIL).exists()


def test_two_submits_at_once_make_one_person_and_one_membership(cast: Cast) -> None:
    link = invited(cast)
    clients = [Client(), Client()]
    pages = [opened(client, link) for client in clients]
    together, statuses = threading.Barrier(2), []

    def submit(client: Client, page: str) -> None:
        together.wait()
        try:
            statuses.append(client.post("/invitation/", answer(page)).status_code)
        finally:
            connections.close_all()

    threads = [
        threading.Thread(target=submit, args=pair) for pair in zip(clients, pages, strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert roles(cast) == [Role.OPERATOR]
    assert Person.objects.filter(email=EMAIL).count() == 1
    assert 302 in statuses
    assert set(statuses) <= {302, 410, 200}


def test_a_page_left_open_in_another_tab_joins_nothing(cast: Cast) -> None:
    client = Client()
    page = opened(client, invited(cast))
    with tenant_scope(cast.globex.id):
        invite(email="other@globex.example", role=Role.AUDITOR)
    opened(client, link_of(cast.globex.tenant, "other@globex.example"))
    response = client.post("/invitation/", answer(page))
    assert "other@globex.example" in response.content.decode()
    assert roles(cast) == []
    assert not Person.objects.filter(email="other@globex.example").exists()


def test_the_secret_is_kept_nowhere_but_in_the_mail(
    cast: Cast, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        link = invited(cast)
        secret = link.split("/")[2]
        client = Client(enforce_csrf_checks=True)
        page = opened(client, link)
        assert client.post("/invitation/", answer(page)).status_code == 403
        assert client.post(link).status_code == 302
        token = {"csrfmiddlewaretoken": client.cookies["csrftoken"].value}
        assert client.post("/invitation/", answer(page, **token)).status_code == 302
        opened(client, link)
    assert secret not in page
    logged = [
        record.getMessage() for record in caplog.records if record.name != "django.db.backends"
    ]
    assert not [line for line in logged if secret in line]
    with tenant_scope(cast.acme.id):
        stored = Invitation.objects.get(email=EMAIL)
        events = str(list(AuditEvent.objects.values()))
    assert bytes(stored.hash) == hash_of(secret)
    assert secret not in events
    assert secret not in str(dict(client.session))
    assert get_user(client).is_authenticated


def test_the_invitation_of_a_suspended_tenant_opens_no_door(cast: Cast) -> None:
    link = invited(cast)
    Tenant.objects.using("operator").filter(pk=cast.acme.id).update(state="suspended")
    client = Client()
    response = client.post("/invitation/", answer(opened(client, link)), follow=True)
    assert response.status_code == 403
    assert b"is suspended" in response.content
    assert CANARY.encode() not in response.content

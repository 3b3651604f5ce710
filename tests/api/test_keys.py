"""API keys: what opens the API, and how operators make and revoke them."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.db import connections
from django.test import Client
from django.utils import timezone

from portal.ids import uuid7
from tenants.api.services import IssuedKey, create_key, revoke_key
from tenants.isolation.scope import OPERATOR
from tenants.models import ApiKey
from tests.api.conftest import holder_of
from tests.api.documents import problem_of
from tests.cast import Cast

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "operator", "owner"])

TENANTS = "/api/v1/tenants"
PAGE = "/operator/api-keys/"


def stored(issued: IssuedKey) -> ApiKey:
    return ApiKey.objects.using(OPERATOR).get(pk=issued.key.pk)


@pytest.mark.parametrize("path", [TENANTS, "/api/v1/usage?period=2026-11", "/api/v1/usage/metrics"])
def test_nothing_is_read_without_a_key(cast: Cast, path: str) -> None:
    response = Client().get(path)
    problem_of(response, 401, "unauthorized")
    assert response["WWW-Authenticate"] == 'Bearer realm="Stowage"'
    assert "acme" not in response.content.decode()


@pytest.mark.parametrize(
    "header",
    ["Basic YTpi", "Bearer", "Bearer ", "Bearer x", "Bearer stw_000000000000_" + "0" * 64, "stw"],
)
def test_what_is_no_key_opens_nothing(cast: Cast, header: str) -> None:
    response = Client().get(TENANTS, headers={"authorization": header})
    problem_of(response, 401, "unauthorized")
    assert response["WWW-Authenticate"] == 'Bearer realm="Stowage", error="invalid_token"'


def test_the_right_prefix_with_another_secret_opens_nothing(issued: IssuedKey) -> None:
    last = "1" if issued.text[-1] == "0" else "0"
    problem_of(holder_of(issued.text[:-1] + last).get(TENANTS), 401, "unauthorized")


def test_a_session_opens_nothing(cast: Cast) -> None:
    client = Client()
    client.force_login(cast.operator)
    problem_of(client.get(TENANTS), 401, "unauthorized")


def test_a_revoked_key_is_refused_at_once(issued: IssuedKey) -> None:
    client = holder_of(issued.text)
    assert client.get(TENANTS).status_code == 200
    revoke_key(key=issued.key)
    problem_of(client.get(TENANTS), 401, "unauthorized")


def test_an_expired_key_is_refused_at_once(cast: Cast) -> None:
    now = timezone.now()
    key = create_key(name="Short", scopes=["tenants:read"], expires_at=now + timedelta(days=1))
    client = holder_of(key.text)
    assert client.get(TENANTS).status_code == 200
    ApiKey.objects.using(OPERATOR).filter(pk=key.key.pk).update(expires_at=now)
    problem_of(client.get(TENANTS), 401, "unauthorized")


@pytest.mark.parametrize(
    ("scope", "path"),
    [
        ("usage:read", TENANTS),
        ("tenants:read", "/api/v1/usage?period=2026-11"),
        ("tenants:read", "/api/v1/usage/metrics"),
    ],
)
def test_a_key_without_the_scope_is_told_which_it_lacks(cast: Cast, scope: str, path: str) -> None:
    key = create_key(name="Narrow", scopes=[scope], expires_at=None)
    document = problem_of(holder_of(key.text).get(path), 403, "missing-scope")
    lacking = ({"usage:read", "tenants:read"} - {scope}).pop()
    assert lacking in str(document["detail"])


def test_a_tenants_key_is_forbidden(cast: Cast, issued: IssuedKey) -> None:
    with connections["operator"].cursor() as cursor:
        cursor.execute(
            "UPDATE tenants_apikey SET tenant_id = %s WHERE id = %s", [cast.acme.id, issued.key.pk]
        )
    problem_of(holder_of(issued.text).get(TENANTS), 403, "forbidden")


def test_the_database_keeps_the_hash_and_not_the_key(issued: IssuedKey) -> None:
    with connections["operator"].cursor() as cursor:
        cursor.execute("SELECT * FROM tenants_apikey WHERE id = %s", [issued.key.pk])
        row = repr(cursor.fetchone())
    assert issued.text.split("_")[2] not in row
    assert issued.key.prefix in row


def test_the_last_use_is_noted(issued: IssuedKey) -> None:
    assert stored(issued).last_used_at is None
    holder_of(issued.text).get(TENANTS)
    first = stored(issued).last_used_at
    holder_of(issued.text).get(TENANTS)
    assert first is not None
    assert stored(issued).last_used_at == first


def test_an_operator_creates_a_key_that_is_shown_once_and_works(cast: Cast) -> None:
    client = Client()
    client.force_login(cast.operator)
    answer = client.post(PAGE, {"name": "ERP", "scopes": ["tenants:read"], "expires_on": ""})
    assert "no-store" in answer["Cache-Control"]
    (text,) = re.findall(r"stw_[0-9a-f]{12}_[0-9a-f]{64}", answer.content.decode())
    assert holder_of(text).get(TENANTS).status_code == 200
    page = client.get(PAGE).content.decode()
    assert "ERP" in page
    assert text.split("_")[2] not in page


def test_a_key_works_through_its_last_day(cast: Cast) -> None:
    client = Client()
    client.force_login(cast.operator)
    today = timezone.now().date()
    client.post(PAGE, {"name": "ERP", "scopes": ["usage:read"], "expires_on": today.isoformat()})
    expires_at = ApiKey.objects.using(OPERATOR).get(name="ERP").expires_at
    assert expires_at is not None
    assert expires_at.isoformat() == f"{today + timedelta(days=1)}T00:00:00+00:00"


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"name": ""}, "This field is required."),
        ({"name": "x" * 101}, "at most 100 characters"),
        ({"name": "nul\x00"}, "Null characters are not allowed."),
        ({"scopes": []}, "Choose what the key may do."),
        ({"scopes": ["everything"]}, "is not one of the available choices"),
        ({"expires_on": "2020-01-01"}, "This day is over."),
        ({"expires_on": "9999-12-31"}, "Choose a day within five years"),
        ({"expires_on": "tomorrow"}, "Enter a valid date."),
    ],
)
def test_a_wrong_form_makes_no_key_and_keeps_what_was_typed(
    cast: Cast, wrong: dict[str, object], message: str
) -> None:
    client = Client()
    client.force_login(cast.operator)
    typed = {"name": "Ledger", "scopes": ["usage:read"], "expires_on": ""} | wrong
    page = client.post(PAGE, typed).content.decode()
    assert message in page
    assert not ApiKey.objects.using(OPERATOR).filter(tenant=None).exists()
    if "name" not in wrong:
        assert 'value="Ledger"' in page


def test_an_operator_revokes_a_key(cast: Cast, issued: IssuedKey) -> None:
    client = Client()
    client.force_login(cast.operator)
    answer = client.post(f"{PAGE}{issued.key.pk}/revoke/", follow=True)
    assert "Revoked" in answer.content.decode()
    problem_of(holder_of(issued.text).get(TENANTS), 401, "unauthorized")
    revoked_at = stored(issued).revoked_at
    client.post(f"{PAGE}{issued.key.pk}/revoke/")
    assert stored(issued).revoked_at == revoked_at
    assert client.post(f"{PAGE}{uuid7()}/revoke/").status_code == 404


def test_a_tenants_administrator_has_no_such_page(cast: Cast, issued: IssuedKey) -> None:
    client = Client()
    client.force_login(cast.admin)
    assert client.get(PAGE).status_code == 404
    assert client.post(f"{PAGE}{issued.key.pk}/revoke/").status_code == 404
    assert stored(issued).revoked_at is None

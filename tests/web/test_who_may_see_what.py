"""Every address as every role, own and foreign."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from tenants.people.permissions import PERMISSIONS, Role
from tests.cast import CANARY, Cast
from tests.web.conftest import SignIn
from tests.web.url_table import ADDRESSES, Access, Address

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "operator", "owner"])

TENANT = [address for address in ADDRESSES if address.access is Access.TENANT]
OPERATOR = [address for address in ADDRESSES if address.access is Access.OPERATOR]


def name_of(address: Address) -> str:
    return address.name


def ask(client: Client, address: Address, path: str) -> int:
    response = client.generic(address.method, path)
    assert CANARY.encode() not in response.getvalue()
    return response.status_code


def test_every_url_name_is_classified() -> None:
    def names(resolver: URLResolver, prefix: str = "") -> set[str]:
        found: set[str] = set()
        for pattern in resolver.url_patterns:
            if isinstance(pattern, URLResolver):
                space = f"{prefix}{pattern.namespace}:" if pattern.namespace else prefix
                found |= names(pattern, space)
            elif isinstance(pattern, URLPattern):
                found.add(f"{prefix}{pattern.name}")
        return found

    assert names(get_resolver()) == {address.name for address in ADDRESSES}


def test_another_tenants_address_answers_404(cast: Cast, sign_in: SignIn) -> None:
    client = sign_in(cast.admin)
    answers = {a.name: ask(client, a, a.of(cast.globex)) for a in TENANT}
    assert set(answers.values()) == {404}, answers


def test_another_tenants_object_in_ones_own_address_answers_404(
    cast: Cast, sign_in: SignIn
) -> None:
    client = sign_in(cast.admin)
    objects = [address for address in TENANT if len(address.names) > 1]
    answers = {a.name: ask(client, a, a.crossed(cast.acme, cast.globex)) for a in objects}
    assert set(answers.values()) == {404}, answers


@pytest.mark.parametrize("address", TENANT, ids=name_of)
def test_ones_own_address_answers_as_the_role_allows(
    cast: Cast, sign_in: SignIn, address: Address
) -> None:
    people = {
        Role.ADMINISTRATOR: cast.admin,
        Role.AUDITOR: cast.reader,
        Role.RESTORE_OPERATOR: cast.restorer,
    }
    for role, person in people.items():
        status = ask(sign_in(person), address, address.of(cast.acme))
        if address.permission is None or address.permission in PERMISSIONS[role]:
            assert status in (200, 302), (role, status)
        else:
            assert status == 403, (role, status)


def test_nobody_is_sent_to_sign_in_from_every_inner_address(cast: Cast) -> None:
    for address in TENANT + OPERATOR:
        response = Client().generic(address.method, address.of(cast.acme))
        assert response.status_code == 302, address.name
        assert response.headers["Location"].startswith("/account/login/?next="), address.name


def test_the_operators_pages_do_not_exist_for_tenants(cast: Cast, sign_in: SignIn) -> None:
    client = sign_in(cast.admin)
    assert {ask(client, a, a.of(cast.acme)) for a in OPERATOR} == {404}


def test_a_tenants_pages_do_not_exist_for_the_operator(cast: Cast, sign_in: SignIn) -> None:
    client = sign_in(cast.operator)
    assert {ask(client, a, a.of(cast.acme)) for a in TENANT} == {404}


def test_the_operator_sees_all_tenants_and_no_content(cast: Cast, sign_in: SignIn) -> None:
    client = sign_in(cast.operator)
    for name in ("organizations", "infrastructure", "sessions"):
        page = client.get(f"/operator/{name}/").content.decode()
        assert "Acme" in page, name
        assert CANARY in page, name
        assert cast.acme.item.subject not in page
        assert "noor@example.net" not in page


def test_a_changing_address_refuses_to_be_read(cast: Cast, sign_in: SignIn) -> None:
    client = sign_in(cast.admin)
    posts = [address for address in TENANT if address.method == "POST"]
    assert {client.get(a.of(cast.acme)).status_code for a in posts} == {405}

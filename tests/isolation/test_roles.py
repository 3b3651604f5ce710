"""The server refuses database roles that row security does not bind."""

from __future__ import annotations

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import connections

from tenants.isolation.checks import refuse_unsafe_roles, roles_are_bound_by_row_security

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "operator", "owner"])


def test_the_portals_own_roles_pass() -> None:
    assert roles_are_bound_by_row_security(databases=["default", "operator"]) == []
    refuse_unsafe_roles()


def test_the_owner_of_the_tables_is_refused_as_the_portals_role(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tenants.isolation.checks.APP", "owner")
    with pytest.raises(ImproperlyConfigured, match=r"portal_owner .*owns tables"):
        refuse_unsafe_roles()


def test_the_check_says_nothing_of_aliases_it_was_not_asked_about() -> None:
    assert roles_are_bound_by_row_security(databases=["owner"]) == []
    assert connections["owner"].alias == "owner"

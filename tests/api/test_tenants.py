from __future__ import annotations

import pytest
from django.test import Client

from tenants.services import create_tenant
from tests.api.documents import pointers, problem_of
from tests.cast import Cast

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "operator", "owner"])


def test_a_tenant_is_told_with_its_state(api: Client, cast: Cast) -> None:
    answer = api.get("/api/v1/tenants")
    assert answer["Content-Type"] == "application/json"
    assert answer["Cache-Control"] == "no-store"
    assert answer.json()["next"] is None
    first = answer.json()["results"][0]
    assert first.pop("created_at").endswith("Z")
    assert first == {
        "id": str(cast.acme.id),
        "slug": "acme",
        "name": "Acme",
        "state": "active",
    }


def test_pages_are_whole_while_tenants_are_added(api: Client, cast: Cast) -> None:
    for number in range(5):
        create_tenant(name=f"Tenant {number}", slug=f"tenant-{number}")
    seen: list[str] = []
    query: dict[str, str | int] = {"limit": 2}
    while True:
        page = api.get("/api/v1/tenants", query).json()
        seen += [row["slug"] for row in page["results"]]
        if page["next"] is None:
            break
        if len(seen) == 4:
            create_tenant(name="Late", slug="late")
        query["cursor"] = page["next"]
    assert seen == ["acme", "globex", *(f"tenant-{number}" for number in range(5)), "late"]


def test_a_cursor_of_another_list_is_refused(api: Client, cast: Cast) -> None:
    cursor = api.get("/api/v1/tenants?limit=1").json()["next"]
    answer = api.get("/api/v1/usage", {"period": "2026-11", "cursor": cursor})
    assert pointers(problem_of(answer, 400, "invalid-parameter")) == ["/query/cursor"]
    altered = api.get("/api/v1/tenants", {"cursor": cursor[:-1]})
    assert pointers(problem_of(altered, 400, "invalid-parameter")) == ["/query/cursor"]

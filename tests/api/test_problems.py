"""Every error under /api/ is a problem document."""

from __future__ import annotations

import pytest
from django.test import Client, override_settings
from rest_framework.exceptions import UnsupportedMediaType
from rest_framework.test import APIRequestFactory

from portal.api.problems import KINDS, answer
from tenants.api.services import create_key
from tests.api.conftest import holder_of
from tests.api.documents import pointers, problem_of
from tests.cast import Cast

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "operator", "owner"])


@pytest.mark.parametrize("path", ["", "v1", "v1/", "v1/usage/", "v2/usage", "problems/none"])
def test_an_unknown_address_is_not_found_without_a_key_too(path: str) -> None:
    problem_of(Client().get(f"/api/{path}"), 404, "not-found")


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_only_reading_is_allowed(api: Client, method: str) -> None:
    response = api.generic(method, "/api/v1/tenants")
    problem_of(response, 405, "method-not-allowed")
    assert response["Allow"] == "GET, HEAD"
    problem_of(api.generic(method, "/api/none"), 404, "not-found")


def test_an_answer_in_html_is_not_to_be_had(api: Client) -> None:
    problem_of(api.get("/api/v1/tenants", headers={"accept": "text/html"}), 406, "not-acceptable")


def test_a_body_in_another_language_than_json_is_named() -> None:
    request = APIRequestFactory().post("/api/v1/anything")
    response = answer(UnsupportedMediaType("text/csv"), {"request": request})
    assert response is not None
    problem_of(response, 415, "unsupported-media-type")


def test_a_host_that_is_not_ours_is_a_bad_request(api: Client) -> None:
    response = api.get("/api/v1/tenants", headers={"host": "elsewhere.example"})
    problem_of(response, 400, "bad-request")


@override_settings(USAGE_METER="tests.api.meters.broken")
def test_a_failure_of_the_server_says_nothing_of_its_inside(
    api: Client, caplog: pytest.LogCaptureFixture
) -> None:
    response = api.get("/api/v1/usage?period=2026-11")
    document = problem_of(response, 500, "server-error")
    assert "the meter is broken" not in str(document)
    assert "the meter is broken" in caplog.text


@override_settings(API_REQUESTS_PER_MINUTE=2)
def test_a_key_that_asks_too_often_is_told_when_to_come_back(api: Client, cast: Cast) -> None:
    left = [api.get("/api/v1/tenants")["RateLimit"] for _ in range(2)]
    assert [rate.split(";")[1] for rate in left] == ["r=1", "r=0"]
    response = api.get("/api/v1/tenants")
    problem_of(response, 429, "too-many-requests")
    assert 1 <= int(response["Retry-After"]) <= 60
    assert response["RateLimit-Policy"] == '"default";q=2;w=60'
    other = create_key(name="Other", scopes=["tenants:read"], expires_at=None)
    assert holder_of(other.text).get("/api/v1/tenants").status_code == 200


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("", "period"),
        ("period=", "period"),
        ("period=2026-13", "period"),
        ("period=2026-1", "period"),
        ("period=2026-11-01", "period"),
        ("period=1999-12", "period"),
        ("period=%EF%BC%92026-11", "period"),
        ("period=2026-11&tenant=", "tenant"),
        ("period=2026-11&tenant=nobody", "tenant"),
        ("period=2026-11&tenant=%00", "tenant"),
        ("period=2026-11&tenant=00000000-0000-0000-0000-000000000000", "tenant"),
        ("period=2026-11&limit=0", "limit"),
        ("period=2026-11&limit=501", "limit"),
        ("period=2026-11&limit=ten", "limit"),
        ("period=2026-11&cursor=none", "cursor"),
        ("period=2026-11&cursor=" + "x" * 3000, "cursor"),
        ("period=2026-11&tennant=acme", "tennant"),
        ("period=2026-11&period=2026-10", "period"),
    ],
)
def test_a_wrong_parameter_is_named(api: Client, query: str, parameter: str) -> None:
    document = problem_of(api.get(f"/api/v1/usage?{query}"), 400, "invalid-parameter")
    assert pointers(document) == [f"/query/{parameter}"]


def test_all_wrong_parameters_are_named_at_once(api: Client) -> None:
    response = api.get("/api/v1/usage?period=never&limit=0&format=csv")
    document = problem_of(response, 400, "invalid-parameter")
    assert set(pointers(document)) == {"/query/period", "/query/limit", "/query/format"}


def test_a_type_is_the_address_of_its_explanation() -> None:
    for kind in KINDS.values():
        page = Client().get(kind.type)
        assert page.status_code == 200
        assert kind.title in page.content.decode()


def test_a_page_outside_the_api_keeps_its_own_errors() -> None:
    response = Client().get("/nothing-here/")
    assert response.status_code == 404
    assert response["Content-Type"].startswith("text/html")

import time

import httpx
import pytest

from sandbox.certificate import make_application_certificate
from tests.sandbox.conftest import Exchange, assertion, client_for, token_form

USERS = "/v1.0/users/delta"


def ask(exchange: Exchange, **changed: str) -> httpx.Response:
    path = f"/{exchange.registration.directory}/oauth2/v2.0/token"
    return exchange.client.post(path, data=token_form(exchange.registration, **changed))


def test_the_openid_configuration_points_at_the_directorys_own_endpoints(exchange: Exchange):
    answer = exchange.client.get("/acme.example/v2.0/.well-known/openid-configuration").json()
    directory = exchange.registration.directory
    assert answer["token_endpoint"] == f"{exchange.sandbox.url}/{directory}/oauth2/v2.0/token"
    assert answer["issuer"] == f"{exchange.sandbox.url}/{directory}/v2.0"


def test_an_unknown_directory_is_named_in_the_error(exchange: Exchange):
    answer = exchange.client.get("/nowhere.example/v2.0/.well-known/openid-configuration")
    assert answer.status_code == 400
    assert answer.json()["error"] == "invalid_tenant"


@pytest.mark.parametrize("algorithm", ["PS256", "RS256"])
def test_an_assertion_signed_with_the_registered_key_gets_a_token(
    exchange: Exchange, algorithm: str
):
    signed = assertion(exchange.registration, algorithm=algorithm)
    answer = ask(exchange, client_assertion=signed)
    assert answer.status_code == 200
    assert answer.json()["token_type"] == "Bearer"
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    "changed",
    [
        {"aud": "https://elsewhere.example/token"},
        {"iss": "somebody-else"},
        {"sub": "somebody-else"},
        {"thumbprint": "AAAA"},
        {"algorithm": "HS256", "key": "a shared secret that is long enough for HMAC"},
    ],
)
def test_an_assertion_that_does_not_hold_is_refused(exchange: Exchange, changed: dict[str, object]):
    answer = ask(exchange, client_assertion=assertion(exchange.registration, **changed))
    assert answer.status_code == 401
    assert "AADSTS700027" in answer.json()["error_description"]


@pytest.mark.parametrize("exp", [1, int(time.time()) - 900])
def test_an_assertion_of_another_time_is_refused(exchange: Exchange, exp: int):
    answer = ask(exchange, client_assertion=assertion(exchange.registration, exp=exp))
    assert answer.status_code == 401
    assert "AADSTS700024" in answer.json()["error_description"]


def test_an_assertion_signed_with_another_key_is_refused(exchange: Exchange):
    _, key = make_application_certificate("Other")
    answer = ask(exchange, client_assertion=assertion(exchange.registration, key=key))
    assert answer.status_code == 401


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"scope": "https://graph.microsoft.com/.default"}, "invalid_scope"),
        ({"client_id": "nobody"}, "unauthorized_client"),
        ({"client_assertion_type": "secret"}, "invalid_client"),
        ({"client_assertion": "not.a.token"}, "invalid_client"),
    ],
)
def test_a_request_for_something_else_says_what_is_wrong(
    exchange: Exchange, changed: dict[str, str], error: str
):
    answer = ask(exchange, **changed)
    assert answer.status_code in (400, 401)
    assert answer.json()["error"] == error


@pytest.mark.parametrize("header", ["", "Bearer", "Basic abc", "Bearer abc", "Bearer a.b.c"])
def test_graph_answers_401_without_a_token_of_its_own(exchange: Exchange, header: str):
    answer = exchange.client.get(USERS, headers={"Authorization": header})
    assert answer.status_code == 401
    assert answer.json()["error"]["code"] == "InvalidAuthenticationToken"


def test_an_expired_token_is_refused(exchange: Exchange):
    exchange.sandbox.application.authority.lifetime = -1
    with exchange.signed_in() as client:
        answer = client.get(USERS)
    assert answer.status_code == 401
    assert "expired" in answer.json()["error"]["message"]


def test_a_token_of_another_sandbox_is_refused(exchange: Exchange):
    token = exchange.client.headers["Authorization"]
    from sandbox.testing import Sandbox

    with Sandbox() as other, client_for(other) as client:
        assert client.get(USERS, headers={"Authorization": token}).status_code == 401

import pytest

from sandbox.faults import Fault, Kind
from tests.sandbox.conftest import Exchange


def ask(exchange: Exchange, *requests: dict):
    return exchange.client.post("/v1.0/$batch", json={"requests": list(requests)})


def answers(exchange: Exchange, *requests: dict) -> dict[str, dict]:
    answer = ask(exchange, *requests)
    assert answer.status_code == 200, answer.text
    return {one["id"]: one for one in answer.json()["responses"]}


def get(identity: str, url: str, **more: object) -> dict:
    return {"id": identity, "method": "GET", "url": url, **more}


def test_each_request_of_a_batch_has_a_status_of_its_own(exchange: Exchange):
    found = answers(
        exchange,
        get("1", "/organization"),
        get("2", "/users/nobody"),
        get("3", "/users/anna@acme.example/settings/exchange"),
    )
    assert {identity: one["status"] for identity, one in found.items()} == {
        "1": 200,
        "2": 404,
        "3": 200,
    }
    assert found["3"]["body"]["primaryMailboxId"] == exchange.mailbox
    assert found["2"]["body"]["error"]["code"] == "Request_ResourceNotFound"


def test_answers_do_not_come_in_the_order_of_the_requests(exchange: Exchange):
    requests = [get(str(number), "/organization") for number in range(3)]
    listed = [one["id"] for one in ask(exchange, *requests).json()["responses"]]
    assert sorted(listed) == ["0", "1", "2"]
    assert listed != ["0", "1", "2"]


def test_a_batch_has_at_most_twenty_requests_with_ids_that_differ(exchange: Exchange):
    assert ask(exchange, *[get(str(n), "/organization") for n in range(21)]).status_code == 400
    assert ask(exchange, get("1", "/organization"), get("1", "/users")).status_code == 400
    assert ask(exchange, *[get(str(n), "/organization") for n in range(20)]).status_code == 200


def test_a_request_that_depends_on_a_failed_one_is_not_made(exchange: Exchange):
    body = {"displayName": "New"}
    url = exchange.path("/folders").removeprefix("/v1.0")
    create = {"id": "b", "method": "POST", "url": url, "body": body, "dependsOn": ["a"]}
    found = answers(exchange, get("a", "/users/nobody"), create)
    assert found["b"]["status"] == 424
    assert answers(exchange, get("a", "/organization"), create)["b"]["status"] == 201
    assert ask(exchange, create).status_code == 400


def test_one_request_of_a_batch_is_throttled_and_the_others_are_not(exchange: Exchange):
    fault = Fault(Kind.STATUS, "GET /v1.0/users$", status=429, retry_after=7)
    exchange.sandbox.faults.add(fault)
    found = answers(exchange, get("1", "/organization"), get("2", "/users"))
    assert (found["1"]["status"], found["2"]["status"]) == (200, 429)
    assert found["2"]["headers"]["Retry-After"] == "7"


@pytest.mark.parametrize("url", ["/users", "/groups"])
def test_a_batch_grants_no_permission_that_its_caller_lacks(exchange: Exchange, url: str):
    with exchange.signed_in("MailboxItem.Read.All") as client:
        answer = client.post("/v1.0/$batch", json={"requests": [get("1", url)]})
    assert [one["status"] for one in answer.json()["responses"]] == [403]
    exchange.client.headers.pop("Authorization")
    assert ask(exchange, get("1", url)).status_code == 401

import json
from pathlib import Path

import httpx
import pytest

from sandbox.faults import Fault, Faults, Kind
from tests.sandbox.conftest import Exchange


def test_a_fault_strikes_as_often_as_it_says_and_where_it_says(exchange: Exchange):
    exchange.sandbox.faults.add(
        Fault(Kind.STATUS, "GET .*/folders$", times=2, after=1, status=429, retry_after=5)
    )
    path = exchange.path("/folders")
    answers = [exchange.client.get(path) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 429, 429, 200]
    assert answers[1].headers["Retry-After"] == "5"
    assert exchange.client.get(exchange.path("/folders/inbox")).status_code == 200
    assert len(exchange.sandbox.faults.struck) == 2


def test_a_reset_leaves_nothing_done_and_a_lost_answer_leaves_it_done(exchange: Exchange):
    for kind, name in ((Kind.RESET, "Before"), (Kind.LOST, "After")):
        exchange.sandbox.faults.add(Fault(kind, "POST .*/folders"))
        with pytest.raises(httpx.TransportError):
            exchange.client.post(exchange.path("/folders"), json={"displayName": name})
    listed = exchange.client.get(exchange.path("/folders")).json()["value"]
    names = {folder["displayName"] for folder in listed}
    assert "Before" not in names
    assert "After" in names


def test_a_truncated_answer_is_whole_http_and_no_json(exchange: Exchange):
    exchange.sandbox.faults.add(Fault(Kind.TRUNCATED, "/folders$"))
    answer = exchange.client.get(exchange.path("/folders"))
    assert answer.status_code == 200
    with pytest.raises(json.JSONDecodeError):
        answer.json()


def test_a_fault_of_an_item_finds_it_by_id_or_message_id(exchange: Exchange):
    items = [exchange.add_mail(number) for number in range(3)]
    exchange.sandbox.faults.add(
        Fault(Kind.MISSING_ITEM, item=items[0]),
        Fault(Kind.FAILED_ITEM, item="<1@acme.example>", code="ErrorCorruptData"),
    )
    answer = exchange.client.post(exchange.path("/exportItems"), json={"itemIds": items})
    first, second = answer.json()["value"]
    assert first["error"]["code"] == "ErrorCorruptData"
    assert second["itemId"] == items[2]


def test_a_script_says_the_same_in_json(exchange: Exchange):
    script = [{"kind": "status", "path": "/folders$", "status": 504}, {"kind": "reset", "times": 3}]
    exchange.sandbox.faults.load(json.dumps(script))
    assert exchange.client.get(exchange.path("/folders")).status_code == 504


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("{}", "a list"),
        ("[3]", "fault 1: a fault is an object"),
        ('[{"kind": "reset"}, {"path": "x"}]', "fault 2: a fault needs a kind"),
        ('[{"kind": "meteor"}]', "meteor"),
        ('[{"kind": "reset", "often": 3}]', "often"),
    ],
)
def test_a_script_that_is_wrong_says_where(script: str, message: str):
    with pytest.raises(ValueError, match=message):
        Faults().load(script)


def test_the_example_in_the_documentation_is_a_script():
    page = (Path(__file__).parents[2] / "docs" / "sandbox.md").read_text(encoding="utf-8")
    example = page.partition("```json\n")[2].partition("```")[0]
    Faults().load(example)

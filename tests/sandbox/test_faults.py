import json
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path

import httpx
import pytest

from sandbox.faults import Fault, Faults, Kind
from tests.sandbox.conftest import Exchange

SCRIPTS = Path(__file__).parents[2] / "sandbox" / "scripts"


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


def test_an_item_that_vanishes_is_gone_for_good(exchange: Exchange):
    item = exchange.add_mail(1)
    exchange.sandbox.faults.add(Fault(Kind.VANISHED_ITEM, item=item))
    for _ in range(2):
        answer = exchange.client.post(exchange.path("/exportItems"), json={"itemIds": [item]})
        assert answer.json()["value"][0]["error"]["code"] == "ErrorItemNotFound"
    assert exchange.client.get(exchange.path(f"/folders/inbox/items/{item}")).status_code == 404


def test_a_state_expires_for_those_who_bring_one(exchange: Exchange):
    exchange.sandbox.faults.add(Fault(Kind.EXPIRED_STATE, "folders/delta"))
    first = exchange.client.get(exchange.path("/folders/delta"))
    assert first.status_code == 200
    link = first.json()["@odata.deltaLink"]
    answer = exchange.client.get(link)
    assert (answer.status_code, answer.json()["error"]["code"]) == (410, "syncStateNotFound")
    assert exchange.client.get(link).status_code == 200


def test_a_clock_that_is_off_shows_in_the_dates_of_an_answer(exchange: Exchange):
    exchange.sandbox.faults.add(
        Fault(Kind.STATUS, "/folders$", status=503, retry_after=30, clock=-7200)
    )
    headers = exchange.client.get(exchange.path("/folders")).headers
    said, asked = (parsedate_to_datetime(headers[name]) for name in ("Date", "Retry-After"))
    assert (asked - said).total_seconds() == 30
    assert (datetime.now(UTC) - said).total_seconds() > 7000


@pytest.mark.parametrize("script", sorted(SCRIPTS.glob("*.json")), ids=lambda path: path.stem)
def test_the_worst_days_are_scripts(script: Path):
    Faults().load(script.read_text(encoding="utf-8"))


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

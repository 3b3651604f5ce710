"""What the source does when the server is busy, breaks off, or no longer accepts the token."""

import pytest

from backups.sources import (
    Gone,
    GraphSource,
    NotPermitted,
    Retry,
    Throttled,
    Unavailable,
)
from sandbox.faults import Fault, Kind
from tests.sources.conftest import World, everything, folders


def test_a_throttled_request_waits_as_long_as_asked_and_goes_on(world: World, source: GraphSource):
    world.add_mail(2)
    world.sandbox.faults.add(Fault(Kind.STATUS, "items/delta", 2, status=429, retry_after=7))
    changes, _ = everything(source, world.mailbox, world.inbox())
    assert len(changes) == 2
    assert world.waits == [7.0, 7.0]
    assert source.throttled_seconds == 14.0


def test_a_server_that_asks_for_more_than_a_minute_is_given_back_to_the_caller(
    world: World, source: GraphSource
):
    world.sandbox.faults.add(Fault(Kind.STATUS, "items/delta", status=429, retry_after=600))
    with pytest.raises(Throttled) as caught:
        everything(source, world.mailbox, world.inbox())
    assert caught.value.retry_after == 600
    assert world.waits == []


def test_throttling_without_a_time_backs_off_longer_each_time(world: World, source: GraphSource):
    world.sandbox.faults.add(Fault(Kind.STATUS, "folders/delta", 4, status=429))
    assert folders(source, world.mailbox)
    assert len(world.waits) == 4
    assert all(
        early * 1.3 < late * 2 for early, late in zip(world.waits, world.waits[1:], strict=False)
    )
    assert source.throttled_seconds == pytest.approx(sum(world.waits))


def test_throttling_without_end_is_throttled(world: World, source: GraphSource):
    world.sandbox.faults.add(Fault(Kind.STATUS, "folders/delta", 99, status=429, retry_after=1))
    with pytest.raises(Throttled):
        folders(source, world.mailbox)
    assert len(world.waits) == 4


def test_a_busy_server_is_unavailable_only_after_some_tries(world: World, source: GraphSource):
    world.sandbox.faults.add(Fault(Kind.STATUS, "folders/delta", 4, status=503))
    assert folders(source, world.mailbox)
    world.sandbox.faults.add(Fault(Kind.STATUS, "folders/delta", 5, status=503))
    with pytest.raises(Unavailable):
        folders(source, world.mailbox)
    assert source.throttled_seconds == 0


def test_a_gateway_timeout_of_a_listing_is_tried_again(world: World, source: GraphSource):
    world.sandbox.faults.add(Fault(Kind.STATUS, "folders/delta", 3, status=504))
    assert folders(source, world.mailbox)


@pytest.mark.parametrize("kind", [Kind.RESET, Kind.LOST])
def test_a_broken_connection_is_tried_again(world: World, source: GraphSource, kind: Kind):
    world.add_mail(3)
    world.sandbox.faults.add(Fault(kind, "items/delta", times=3))
    assert len(everything(source, world.mailbox, world.inbox())[0]) == 3
    world.sandbox.faults.add(Fault(kind, "items/delta", times=5))
    with pytest.raises(Retry):
        everything(source, world.mailbox, world.inbox())


def test_a_rejected_token_is_replaced_once(world: World, source: GraphSource):
    world.sandbox.faults.add(Fault(Kind.STATUS, "folders/delta", status=401))
    assert folders(source, world.mailbox)
    assert world.waits == []


def test_a_token_that_stays_rejected_is_not_permitted_rather_than_gone(
    world: World, source: GraphSource
):
    world.sandbox.faults.add(Fault(Kind.STATUS, "folders/delta", 2, status=401))
    with pytest.raises(NotPermitted, match="sign-in") as caught:
        folders(source, world.mailbox)
    assert caught.value.permission == ""


def test_a_token_that_expires_in_mid_run_is_renewed(
    world: World, source: GraphSource, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(world.sandbox.application.authority, "lifetime", -60)
    with pytest.raises(NotPermitted, match="expired"):
        folders(source, world.mailbox)
    monkeypatch.setattr(world.sandbox.application.authority, "lifetime", 3599)
    assert folders(source, world.mailbox)


def test_a_forbidden_answer_names_the_permission_that_the_call_takes(
    world: World, source: GraphSource
):
    world.sandbox.faults.add(Fault(Kind.STATUS, "items/delta", status=403))
    with pytest.raises(NotPermitted) as caught:
        everything(source, world.mailbox, world.inbox())
    assert caught.value.permission == "MailboxItem.Read.All"
    assert world.waits == []


def test_a_mailbox_that_goes_away_in_mid_run_is_gone(world: World, source: GraphSource):
    assert folders(source, world.mailbox)
    world.sandbox.faults.add(Fault(Kind.STATUS, "items/delta", status=404))
    with pytest.raises(Gone):
        everything(source, world.mailbox, world.inbox())


def test_a_sign_in_server_that_breaks_off_is_unavailable(world: World, source: GraphSource):
    world.sandbox.faults.add(Fault(Kind.RESET, "oauth2/v2.0/token", times=9))
    with pytest.raises(Unavailable, match="sign-in"):
        folders(source, world.mailbox)


def test_a_sign_in_server_that_fails_is_unavailable(world: World, source: GraphSource):
    world.sandbox.faults.add(Fault(Kind.STATUS, "openid-configuration", times=9, status=503))
    with pytest.raises(Unavailable, match="sign-in"):
        folders(source, world.mailbox)


class Budget:
    """A gate that says what the test wants and remembers what it heard."""

    def __init__(self, *delays: float) -> None:
        self.delays = list(delays)
        self.taken = 0
        self.held: list[float] = []

    def take(self, requests: int) -> float:
        delay = self.delays.pop(0) if self.delays else 0.0
        self.taken += 0 if delay else requests
        return delay

    def hold(self, seconds: float) -> None:
        self.held.append(seconds)


def test_the_budget_that_workers_share_is_asked_before_the_first_request(world: World):
    budget = Budget(3.0, 2.0)
    source = world.connect_as(world.settings, budget)
    assert folders(source, world.mailbox)
    assert world.waits == [3.0, 2.0]
    assert source.throttled_seconds == 5.0
    assert budget.taken >= source.requests


def test_a_budget_that_is_used_up_for_minutes_is_given_back_to_the_caller(world: World):
    source = world.connect_as(world.settings, Budget(600.0))
    with pytest.raises(Throttled, match="limit of requests") as caught:
        folders(source, world.mailbox)
    assert caught.value.retry_after == 600
    assert source.requests == 0


def test_a_wait_that_concerns_everybody_is_told_to_everybody(world: World):
    budget = Budget()
    source = world.connect_as(world.settings, budget)
    world.sandbox.faults.add(Fault(Kind.STATUS, "users/delta", status=429, retry_after=9))
    world.sandbox.faults.add(Fault(Kind.STATUS, "folders/delta", status=429, retry_after=4))
    assert list(source.discover())
    assert folders(source, world.mailbox)
    assert budget.held == [9.0]
    assert world.waits == [9.0, 4.0]

"""Limits that are kept before a server has to name them."""

from backups.sources.pacing import LOT, LOT_SECONDS, REQUESTS_PER_WINDOW, Pace, Window


class Clock:
    def __init__(self) -> None:
        self.now = 50.0

    def __call__(self) -> float:
        return self.now


class Gate:
    def __init__(self) -> None:
        self.taken = 0
        self.until = 0.0

    def take(self, requests: int) -> float:
        self.taken += 0 if self.until else requests
        return self.until

    def hold(self, seconds: float) -> None:
        self.until = seconds


def test_a_window_lets_pass_what_fits_and_says_when_the_rest_does():
    window = Window(most=10, seconds=60)
    for moment in range(10):
        assert window.wait(1, moment * 2) == 0
        window.take(1, moment * 2)
    assert window.wait(1, 20) == 40
    assert window.wait(2, 20) == 42
    assert window.wait(1, 60) == 0


def test_what_is_larger_than_a_window_waits_for_an_empty_one_and_passes():
    window = Window(most=10, seconds=60)
    assert window.wait(25, 0) == 0
    window.take(25, 0)
    assert window.wait(1, 30) == 30
    assert window.wait(25, 60) == 0


def test_one_mailbox_at_its_limit_holds_no_other_up():
    clock = Clock()
    pace = Pace(now=clock)
    for _ in range(REQUESTS_PER_WINDOW):
        assert pace.wait("anna") == 0
    assert pace.wait("anna") == 600
    assert pace.wait("ravi") == 0
    clock.now += 600
    assert pace.wait("anna") == 0


def test_uploads_of_more_than_the_limit_wait_although_requests_are_few():
    clock = Clock()
    pace = Pace(now=clock)
    assert pace.wait("anna", 100_000_000) == 0
    clock.now += 100
    assert pace.wait("anna", 40_000_000) == 0
    assert pace.wait("anna", 40_000_000) == 200
    assert pace.wait("anna") == 0


def test_a_mailbox_that_was_asked_to_wait_waits_in_all_threads():
    clock = Clock()
    pace = Pace(now=clock)
    pace.hold("anna", 8)
    clock.now += 3
    assert pace.wait("anna") == 5
    assert pace.wait("ravi") == 0
    clock.now += 5
    assert pace.wait("anna") == 0


def test_the_shared_budget_is_taken_in_lots_that_do_not_keep():
    clock, gate = Clock(), Gate()
    pace = Pace(gate, clock)
    for _ in range(LOT):
        assert pace.wait("anna") == 0
    assert gate.taken == LOT
    assert pace.wait("anna") == 0
    assert gate.taken == 2 * LOT
    clock.now += LOT_SECONDS
    assert pace.wait("anna") == 0
    assert gate.taken == 3 * LOT


def test_a_wait_of_everybody_ends_the_lot_at_hand():
    clock, gate = Clock(), Gate()
    pace = Pace(gate, clock)
    assert pace.wait("anna") == 0
    pace.hold("", 30)
    assert pace.wait("ravi") == 30

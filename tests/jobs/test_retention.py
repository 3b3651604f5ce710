"""How long is how long."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from backups.jobs.retention import Mode, Retention, Unit

NOW = datetime(2028, 3, 31, 22, 15, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        ("1d", datetime(2028, 3, 30, 22, 15, tzinfo=UTC)),
        ("1m", datetime(2028, 2, 29, 22, 15, tzinfo=UTC)),
        ("3m", datetime(2027, 12, 31, 22, 15, tzinfo=UTC)),
        ("13m", datetime(2027, 2, 28, 22, 15, tzinfo=UTC)),
        ("7y", datetime(2021, 3, 31, 22, 15, tzinfo=UTC)),
    ],
)
def test_months_and_years_end_on_the_same_day_or_the_last_one(text: str, limit: datetime) -> None:
    assert Retention.read(text).limit(NOW) == limit


def test_what_is_kept_for_ever_has_no_limit() -> None:
    assert Retention().limit(NOW) is None
    assert str(Retention()) == "Kept forever"
    assert Retention(Mode.FOREVER, 3).problem()


@pytest.mark.parametrize("text", ["", "90", "d", "-1d", "0d", "1.5y", "101y", "36501d", "90 days"])
def test_a_time_that_makes_no_sense_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        Retention.read(text)


def test_it_is_said_in_words() -> None:
    assert str(Retention(Mode.POINTS, 1, Unit.YEARS)) == "Restore points for 1 year"
    assert str(Retention(Mode.ITEMS, 90)) == "Deleted and changed items for 90 days"

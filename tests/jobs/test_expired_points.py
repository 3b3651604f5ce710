"""Which restore points are too old."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from backups.jobs.retention import Mode
from backups.retention.points import expired

NOW = datetime(2026, 11, 23, tzinfo=UTC)
LIMIT = NOW - timedelta(days=30)


def points(*ages: int) -> list[tuple[int, datetime]]:
    return [(2 * n, NOW - timedelta(days=age)) for n, age in enumerate(ages, start=1)]


@pytest.mark.parametrize(
    ("ages", "by_points", "by_items"),
    [
        ([], [], []),
        ([90], [], []),
        ([90, 60], [2], [2]),
        ([90, 60, 10], [2, 4], [2]),
        ([31, 29, 28], [2], []),
        ([29, 28], [], []),
        ([30, 29], [], []),  # exactly as old as the limit
    ],
)
def test_the_newest_stays_and_with_items_the_one_that_holds_what_was_deleted_since(
    ages: list[int], by_points: list[int], by_items: list[int]
) -> None:
    assert expired(points(*ages), LIMIT, Mode.POINTS) == by_points
    assert expired(points(*ages), LIMIT, Mode.ITEMS) == by_items


def test_a_young_point_keeps_what_a_clock_that_went_wrong_made_old() -> None:
    assert expired(points(90, 10, 4000, 5), LIMIT, Mode.POINTS) == [2]


def test_without_a_limit_nothing_goes() -> None:
    assert expired(points(4000, 3000), None, Mode.FOREVER) == []

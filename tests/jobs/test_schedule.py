"""When a job runs next: by the clock on its tenant's wall, also on the days it is set."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

import pytest

from backups.jobs.models import Job
from backups.jobs.schedule import next_run


def daily(at: time) -> Job:
    return Job(schedule=Job.Schedule.DAILY, daily_at=at)


def runs(job: Job, zone: str, after: str, count: int) -> list[str]:
    """The next runs in UTC, each after the one before it."""
    moment, found = datetime.fromisoformat(after).replace(tzinfo=UTC), []
    for _ in range(count):
        following = next_run(job, moment, zone)
        assert following is not None
        assert following > moment
        moment = following
        found.append(moment.strftime("%d %H:%M"))
    return found


@pytest.mark.parametrize(
    ("zone", "at", "after", "expected"),
    [
        # Berlin: 29 March 2026, 02:00 becomes 03:00; 25 October, 03:00 becomes 02:00.
        ("Europe/Berlin", "22:00", "2026-03-28", ["28 21:00", "29 20:00", "30 20:00"]),
        ("Europe/Berlin", "02:30", "2026-03-28", ["28 01:30", "29 01:30", "30 00:30"]),
        ("Europe/Berlin", "02:30", "2026-10-24", ["24 00:30", "25 00:30", "26 01:30"]),
        # New York: 8 March 2026, 02:00 becomes 03:00; 1 November, 02:00 becomes 01:00.
        ("America/New_York", "02:30", "2026-03-07", ["07 07:30", "08 07:30", "09 06:30"]),
        ("America/New_York", "01:30", "2026-10-31", ["31 05:30", "01 05:30", "02 06:30"]),
        # Lord Howe: half an hour; 5 April 2026, 02:00 becomes 01:30; 4 October, 02:00 is 02:30.
        ("Australia/Lord_Howe", "01:45", "2026-04-03", ["03 14:45", "04 14:45", "05 15:15"]),
        ("Australia/Lord_Howe", "02:15", "2026-10-02", ["02 15:45", "03 15:45", "04 15:15"]),
        ("UTC", "00:00", "2028-02-27 12:00", ["28 00:00", "29 00:00", "01 00:00"]),
    ],
)
def test_a_daily_run_keeps_its_time_on_the_wall(
    zone: str, at: str, after: str, expected: list[str]
) -> None:
    assert runs(daily(time.fromisoformat(at)), zone, after, len(expected)) == expected


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe"])
@pytest.mark.parametrize("at", ["00:00", "01:45", "02:00", "02:30", "03:00", "23:59"])
def test_a_year_of_daily_runs_has_one_for_each_day(zone: str, at: str) -> None:
    job, moment = daily(time.fromisoformat(at)), datetime(2026, 1, 1, 12, tzinfo=UTC)
    gaps = set()
    for _ in range(365):
        following = next_run(job, moment, zone)
        assert following is not None
        gaps.add(following - moment)
        moment = following
    gaps.discard(max(gaps - {timedelta(days=1)}, key=lambda gap: abs(gap - timedelta(days=1))))
    assert all(timedelta(hours=23) <= gap <= timedelta(hours=25) for gap in gaps)
    assert (
        timedelta(days=364) < moment - datetime(2026, 1, 1, 12, tzinfo=UTC) <= timedelta(days=366)
    )


def test_a_run_that_is_due_this_very_moment_is_not_the_next_one() -> None:
    assert runs(daily(time(8)), "UTC", "2026-05-01 08:00", 1) == ["02 08:00"]
    assert runs(daily(time(8)), "UTC", "2026-05-01 07:59:59", 1) == ["01 08:00"]


def test_an_interval_keeps_its_beat_when_a_start_is_late_or_missed() -> None:
    job = Job(schedule=Job.Schedule.INTERVAL, interval_minutes=15)
    assert runs(job, "UTC", "2026-05-01 08:07", 2) == ["01 08:22", "01 08:37"]
    job.next_run_at = datetime(2026, 5, 1, 8, 0, tzinfo=UTC)
    assert runs(job, "UTC", "2026-05-01 08:00:09", 1) == ["01 08:15"]
    assert runs(job, "UTC", "2026-05-01 08:15", 1) == ["01 08:30"]
    assert runs(job, "UTC", "2026-05-03 11:59", 1) == ["03 12:00"]


def test_a_job_by_hand_has_no_next_run() -> None:
    assert next_run(Job(), datetime.now(UTC), "UTC") is None

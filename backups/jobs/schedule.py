"""When a job runs next."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from backups.jobs.models import Job


def next_run(job: Job, after: datetime, time_zone: str) -> datetime | None:
    """The first run strictly after ``after``, or None for a job started by hand.

    Intervals keep their beat: a late start does not shift what follows.
    A daily run keeps its local time over daylight-saving days: a time that a day skips runs an
    hour later by the clock on the wall (as ``zoneinfo`` resolves it), one that occurs twice runs
    at the first.
    """
    if job.schedule == Job.Schedule.INTERVAL:
        step, last = timedelta(minutes=job.interval_minutes or 0), job.next_run_at or after
        return last + ((after - last) // step + 1) * step
    if job.schedule == Job.Schedule.DAILY:
        return _next_daily(job.daily_at or time(0), after, ZoneInfo(time_zone))
    return None


def _next_daily(at: time, after: datetime, zone: ZoneInfo) -> datetime:
    day = after.astimezone(zone).date()
    for offset in (0, 1, 2):
        run = datetime.combine(day + timedelta(days=offset), at, tzinfo=zone)
        # Comparing in UTC: two times of one zone are compared by the wall clock.
        if run.timestamp() > after.timestamp():
            return run.astimezone(ZoneInfo("UTC"))
    raise AssertionError("a daily time comes within two days")

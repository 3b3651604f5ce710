"""Times as servers write them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime


def moment(value: str) -> datetime | None:
    """An ISO 8601 time in UTC, to the microsecond however many digits it has; None for none."""
    try:
        return datetime.fromisoformat(value).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds of a Retry-After header, which is a number or a date; None without a sensible one.

    A date is by the server's clock, which may be off: its Date header tells what it says now.
    """
    value = headers.get("Retry-After")
    if not value:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = (parsedate_to_datetime(value) - _sent(headers.get("Date"))).total_seconds()
        except (ValueError, TypeError):
            return None
    return max(seconds, 0.0) if seconds < float("inf") else None


def _sent(date: str | None) -> datetime:
    """When an answer was sent by its server's clock; by ours where it does not say."""
    try:
        return parsedate_to_datetime(date or "").replace(tzinfo=UTC)
    except ValueError:
        return datetime.now(UTC)

"""What is metered, and the clock of it: days are of UTC."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Protocol
from uuid import UUID, uuid5

from tenants.models import UsageSample

Metric = UsageSample.Metric
_SAMPLES = UUID("5f0c6e0a-6f0b-5a53-9b0e-6d1c8f6a4c52")


@dataclass(frozen=True, slots=True)
class Description:
    """A line of the catalogue. ``aggregation`` is how days are made into a month's quantity."""

    name: str
    unit: str
    aggregation: str
    description: str


CATALOGUE: Mapping[str, Description] = {
    line.name: line
    for line in (
        Description(
            Metric.PROTECTED_MAILBOXES,
            "mailbox",
            "peak",
            "Mailboxes that at the end of the day had a restore point younger than 31 days, or one"
            " that a run without changes had confirmed within them. A mailbox that is kept in two"
            " repositories counts once.",
        ),
        Description(
            Metric.STORED_BYTES,
            "byte",
            "average",
            "Bytes that the tenant's packs took in all its repositories at the end of the day:"
            " compressed, deduplicated and encrypted. A gibibyte is 1024³ bytes.",
        ),
    )
}


class Meter(Protocol):
    """Reads what tenants used up to a moment; every tenant asked for is in the answer.

    ``settings.USAGE_METER`` names the one in service: usage is read in the rooms above this one.
    """

    def __call__(
        self, *, tenants: Collection[UUID], moment: datetime
    ) -> Mapping[UUID, Mapping[str, int]]: ...


def end_of(day: date) -> datetime:
    """The first moment after the day."""
    return datetime.combine(day + timedelta(days=1), time(), UTC)


def sample_id(tenant_id: UUID, metric: str, day: date) -> UUID:
    """The same for one tenant, metric and day, whoever asks and however often."""
    return uuid5(_SAMPLES, f"{tenant_id}/{metric}/{day.isoformat()}")

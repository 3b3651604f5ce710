"""Dates of an item as a calendar file has them, in the zone that the item says."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo

from icalendar import Component

from backups.streams.calendars.zone_rules import RuleZone


@dataclass(frozen=True, slots=True)
class Clock:
    """How the dates of an item are written: in ``zone`` (a ZoneInfo, a RuleZone or UTC), or with
    none where the item is ``floating``."""

    zone: tzinfo = UTC
    floating: bool = False

    def local(self, when: datetime) -> datetime:
        """The aware ``when`` by this clock, without its zone."""
        return when.astimezone(self.zone).replace(tzinfo=None, fold=0)

    def day(self, when: datetime) -> date:
        """The day that begins at ``when``: the nearest, where the zone of a whole day is not known
        and its midnight falls elsewhere."""
        return (self.local(when) + timedelta(hours=12)).date()

    def add(self, component: Component, name: str, when: datetime) -> None:
        """Add the aware ``when`` to ``component``: in UTC where the local time comes twice and the
        second is meant."""
        local = self.local(when)
        if not self.floating and local.replace(tzinfo=self.zone).astimezone(UTC) != when:
            component.add(name, when.astimezone(UTC))
        else:
            self.add_local(component, name, local)

    def add_local(self, component: Component, name: str, local: datetime) -> None:
        """Add a date that is by this clock already."""
        if self.floating:
            component.add(name, local)
        elif isinstance(self.zone, RuleZone):
            component.add(name, local, parameters={"TZID": self.zone.name})
        else:
            component.add(name, local.replace(tzinfo=self.zone))

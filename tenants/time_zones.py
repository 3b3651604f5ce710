"""Time zones by their names in the IANA database, such as ``Europe/Berlin``."""

from __future__ import annotations

from functools import cache
from zoneinfo import available_timezones

from django.core.exceptions import ValidationError

_NO_PLACES = {"Factory", "localtime", "posixrules"}


@cache
def time_zones() -> tuple[str, ...]:
    """Every name that may be chosen, sorted."""
    return tuple(sorted(available_timezones() - _NO_PLACES))


def validate_time_zone(name: str) -> None:
    """Raises ValidationError for a name that is not in the database, or in other case."""
    if name not in time_zones():
        raise ValidationError("There is no such time zone. Choose one such as Europe/Berlin.")

"""The limits that all workers share, as rows: a token bucket for each application, and a wait for
each organization that its servers asked for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256

from django.conf import settings
from django.db import connections
from django.db.backends.utils import CursorWrapper

from portal.ids import uuid7
from tenants.isolation.scope import APP

BURST_SECONDS = 10
"""Microsoft counts an application's requests in spans of ten seconds."""

_READY = """
INSERT INTO backups_applicationbudget (id, key, requests) VALUES (%s, %s, %s)
ON CONFLICT (key) DO NOTHING
"""
_HELD = """
SELECT extract(epoch FROM held_until - clock_timestamp())::float8
FROM backups_applicationbudget WHERE key = %s AND held_until > clock_timestamp()
"""
# A clock that was put back fills nothing, and takes nothing away.
_FILLED = """
SELECT least(%(most)s, requests
    + %(rate)s * greatest(0, extract(epoch FROM clock_timestamp() - filled_at)::float8))
FROM backups_applicationbudget WHERE key = %(key)s FOR UPDATE
"""
_LEAVE = """
UPDATE backups_applicationbudget SET requests = %s, filled_at = clock_timestamp() WHERE key = %s
"""
_HOLD = """
UPDATE backups_applicationbudget
SET held_until = greatest(held_until, clock_timestamp() + make_interval(secs => %s))
WHERE key = %s
"""


class SharedBudget:
    """The gate of one organization's application; see backups.sources.pacing.Gate.

    Each call has a connection of its own: it commits at once, whatever transaction the thread has
    open, and threads of an export come and go.
    """

    def __init__(self, *, server: str, application: str, directory: str) -> None:
        self._application = _key(server, application)
        self._organization = _key(server, application, directory)
        self._rate = float(settings.REQUESTS_PER_SECOND)

    def take(self, requests: int) -> float:
        with _cursor() as cursor:
            cursor.execute(_HELD, [self._organization])
            if held := cursor.fetchone():
                return float(held[0])
            most = max(self._rate * BURST_SECONDS, float(requests))
            cursor.execute(_READY, [uuid7(), self._application, most])
            cursor.execute(_FILLED, {"key": self._application, "most": most, "rate": self._rate})
            (there,) = cursor.fetchone()
            if there < requests:
                return float(requests - there) / self._rate
            cursor.execute(_LEAVE, [there - requests, self._application])
            return 0.0

    def hold(self, seconds: float) -> None:
        with _cursor() as cursor:
            cursor.execute(_READY, [uuid7(), self._organization, 0.0])
            cursor.execute(_HOLD, [seconds, self._organization])


@contextmanager
def _cursor() -> Iterator[CursorWrapper]:
    connection = connections[APP].copy()
    try:
        connection.set_autocommit(False)
        with connection.cursor() as cursor:
            yield cursor
        connection.commit()
    finally:
        connection.close()


def _key(*parts: str) -> bytes:
    return sha256("\n".join(part.lower() for part in parts).encode()).digest()

"""How many requests a key may make, and the headers that say so.

Headers after draft-ietf-httpapi-ratelimit-headers-11. Counted in the cache: with the default one,
each web process counts for itself.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.conf import settings
from django.core.cache import cache
from django.http import HttpResponse
from rest_framework.request import Request  # type: ignore[import-untyped]
from rest_framework.throttling import BaseThrottle  # type: ignore[import-untyped]

if TYPE_CHECKING:  # settings name this module, which the framework's views read first
    from rest_framework.views import APIView  # type: ignore[import-untyped]

WINDOW = 60
"""Seconds."""
_RATE = "stowage.rate"


@dataclass(frozen=True, slots=True)
class Rate:
    """Where a key stands in its window: requests allowed, left, and seconds until a new one."""

    quota: int
    remaining: int
    reset: int


class KeyThrottle(BaseThrottle):  # type: ignore[misc]
    """A number of requests per key and minute."""

    def allow_request(self, request: Request, view: APIView) -> bool:
        if request.auth is None:
            return True
        quota: int = settings.API_REQUESTS_PER_MINUTE
        window, passed = divmod(int(time.time()), WINDOW)
        used = _count(f"api-rate/{request.auth.pk}/{window}")
        self.reset = WINDOW - passed
        request.META[_RATE] = Rate(quota, max(0, quota - used), self.reset)
        return used <= quota

    def wait(self) -> float:
        return float(self.reset)


def _count(name: str) -> int:
    cache.add(name, 0, timeout=2 * WINDOW)
    try:
        return cache.incr(name)
    except ValueError:
        # The cache was full and let go of it in between.
        return 1


def add_headers(request: Request, response: HttpResponse) -> None:
    rate: Rate | None = request.META.get(_RATE)
    if rate is not None:
        response["RateLimit-Policy"] = f'"default";q={rate.quota};w={WINDOW}'
        response["RateLimit"] = f'"default";r={rate.remaining};t={rate.reset}'

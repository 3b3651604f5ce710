"""Pages that show progress: a whole page at first, then the fragment again and again."""

from __future__ import annotations

from collections.abc import Mapping

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

STOP_POLLING = 286
"""The status that makes htmx swap once more and then stop (htmx documentation, "Polling")."""


def live(
    request: HttpRequest,
    template: str,
    fragment: str,
    context: Mapping[str, object],
    *,
    running: bool,
) -> HttpResponse:
    """The page, or for htmx the named fragment of it; a finished one ends the polling.

    The context gets ``running``, so that a page which is finished never starts to poll.
    """
    fragment_only = bool(getattr(request, "htmx", False))
    return render(
        request,
        f"{template}#{fragment}" if fragment_only else template,
        {**context, "running": running},
        status=STOP_POLLING if fragment_only and not running else 200,
    )

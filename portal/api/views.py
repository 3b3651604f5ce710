"""The base of every view of the API, and the addresses that need no key."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe
from rest_framework import exceptions  # type: ignore[import-untyped]
from rest_framework.request import Request  # type: ignore[import-untyped]
from rest_framework.views import APIView  # type: ignore[import-untyped]

from portal.api.limits import add_headers
from portal.api.problems import KINDS, request_id


class KeyView(APIView):  # type: ignore[misc]
    """A view for the holder of a key with ``scope``."""

    http_method_names = ("get", "head")
    scope: str

    def finalize_response(
        self, request: Request, response: HttpResponse, *args: object, **kwargs: object
    ) -> HttpResponse:
        answer: HttpResponse = super().finalize_response(request, response, *args, **kwargs)
        add_headers(request, answer)
        answer["X-Request-Id"] = request_id(request)
        answer["Cache-Control"] = "no-store"
        return answer


class NothingHere(APIView):  # type: ignore[misc]
    """Every address under /api/ that nobody else has, with whatever method."""

    authentication_classes = ()
    permission_classes = ()
    schema = None

    def initial(self, request: Request, *args: object, **kwargs: object) -> None:
        raise exceptions.NotFound(f"There is nothing at {request.path}.")


@require_safe
def documentation(request: HttpRequest) -> HttpResponse:
    """The OpenAPI document to read and try, from files of this server only."""
    return render(request, "web/api_docs.html")


@require_safe
def problem_kind(request: HttpRequest, name: str) -> HttpResponse:
    """What a problem's type means: the type is the address of this page."""
    kind = KINDS.get(name)
    if kind is None:
        raise Http404
    return render(request, "web/problem.html", {"kind": kind})

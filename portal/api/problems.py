"""Every error of the API as a problem document (RFC 9457), inside and outside the framework."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.views import defaults
from rest_framework import exceptions  # type: ignore[import-untyped]

from portal.ids import uuid7

MEDIA_TYPE = "application/problem+json"
API = "/api/"
"""Everything below this address answers with problems."""
_REQUEST_ID = "stowage.request_id"


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of problem; its type is an address that explains it."""

    name: str
    status: int
    title: str
    meaning: str

    @property
    def type(self) -> str:
        return f"{API}problems/{self.name}"


KINDS: Mapping[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind(
            "invalid-parameter",
            400,
            "A parameter is not valid",
            "Each entry of errors names one parameter of the query and says what is wrong with"
            " it. The same request will be refused again.",
        ),
        Kind(
            "bad-request",
            400,
            "The request cannot be read",
            "The request is malformed. The same request will be refused again.",
        ),
        Kind(
            "unauthorized",
            401,
            "A valid API key is needed",
            "The header Authorization is missing, is not of the form Bearer stw_…, or names a key"
            " that does not exist, has expired or was revoked.",
        ),
        Kind(
            "missing-scope",
            403,
            "The key lacks a scope",
            "The key is valid, but was made without the scope that the detail names. Ask an"
            " operator for a key that has it.",
        ),
        Kind(
            "forbidden",
            403,
            "The key may not do this",
            "The key is valid, but not for this part of the API.",
        ),
        Kind("not-found", 404, "There is nothing here", "No part of the API has this address."),
        Kind(
            "method-not-allowed",
            405,
            "The method is not allowed here",
            "The header Allow of the answer lists what this address takes.",
        ),
        Kind(
            "not-acceptable",
            406,
            "The answer exists as JSON only",
            "The header Accept of the request excludes application/json.",
        ),
        Kind(
            "unsupported-media-type",
            415,
            "The body must be JSON",
            "The header Content-Type of the request names something else than application/json.",
        ),
        Kind(
            "too-many-requests",
            429,
            "Too many requests",
            "The key has used up its requests for this minute. Wait as long as Retry-After says.",
        ),
        Kind(
            "server-error",
            500,
            "The server failed",
            "Not the request's fault. Try again later; when it stays, give the operator the"
            " request_id, which is in the server's log.",
        ),
    )
}
_BY_STATUS: Mapping[int, Kind] = {kind.status: kind for kind in KINDS.values()}


@dataclass(frozen=True, slots=True)
class ParameterError:
    """What is wrong with one parameter of the query."""

    parameter: str
    code: str
    detail: str

    def document(self) -> dict[str, str]:
        return {
            "pointer": f"/query/{self.parameter}",
            "code": self.code,
            "detail": self.detail,
        }


class InvalidParameters(exceptions.APIException):  # type: ignore[misc]
    """400, naming every parameter that is wrong."""

    status_code = 400

    def __init__(self, *errors: ParameterError) -> None:
        self.errors = errors
        super().__init__("; ".join(f"{error.parameter}: {error.detail}" for error in errors))


class MissingScope(exceptions.PermissionDenied):  # type: ignore[misc]
    """403, naming the scope."""

    def __init__(self, scope: str) -> None:
        super().__init__(f"This needs a key with the scope {scope}.", "missing-scope")


def request_id(request: HttpRequest) -> str:
    """The same for one request wherever it is asked for: answer, problem, log."""
    value: str = request.META.setdefault(_REQUEST_ID, str(uuid7()))
    return value


def problem(
    request: HttpRequest,
    kind: Kind,
    detail: str,
    *,
    errors: Sequence[ParameterError] = (),
    headers: Mapping[str, str] | None = None,
) -> HttpResponse:
    """The answer for a problem; ``errors`` is present only when parameters are wrong."""
    document: dict[str, object] = {
        "type": kind.type,
        "title": kind.title,
        "status": kind.status,
        "detail": detail,
        "instance": request.path,
        "request_id": request_id(request),
    }
    if errors:
        document["errors"] = [error.document() for error in errors]
    response = HttpResponse(
        json.dumps(document), status=kind.status, content_type=MEDIA_TYPE, headers=headers
    )
    response["X-Request-Id"] = request_id(request)
    response["Cache-Control"] = "no-store"
    return response


def answer(error: Exception, context: Mapping[str, HttpRequest]) -> HttpResponse | None:
    """The framework's exception handler. None for an error that is the server's own fault:

    Django then rolls back, logs it and calls ``server_error`` below.
    """
    request = context["request"]
    if isinstance(error, Http404):
        error = exceptions.NotFound()
    elif isinstance(error, PermissionDenied):
        error = exceptions.PermissionDenied()
    if not isinstance(error, exceptions.APIException):
        return None
    headers = {}
    if getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = error.auth_header
    if getattr(error, "wait", None):
        headers["Retry-After"] = str(math.ceil(error.wait))
    return problem(
        request,
        _kind(error),
        str(error.detail),
        errors=getattr(error, "errors", ()),
        headers=headers,
    )


def _kind(error: exceptions.APIException) -> Kind:
    if isinstance(error, InvalidParameters):
        return KINDS["invalid-parameter"]
    if isinstance(error, MissingScope):
        return KINDS["missing-scope"]
    if isinstance(error, exceptions.PermissionDenied):
        return KINDS["forbidden"]
    if isinstance(error, exceptions.ParseError):
        return KINDS["bad-request"]
    status: int = error.status_code
    return _BY_STATUS[status]


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's handler of 400: a host or a query that it refuses to read."""
    if not request.path.startswith(API):
        return defaults.bad_request(request, exception)
    return problem(request, KINDS["bad-request"], "The request cannot be read.")


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    if not request.path.startswith(API):
        return defaults.permission_denied(request, exception)
    return problem(request, KINDS["forbidden"], "The request is not permitted.")


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    if not request.path.startswith(API):
        return defaults.page_not_found(request, exception)
    return problem(request, KINDS["not-found"], f"There is nothing at {request.path}.")


def server_error(request: HttpRequest) -> HttpResponse:
    if not request.path.startswith(API):
        return defaults.server_error(request)
    return problem(request, KINDS["server-error"], "The server failed; it has noted why.")

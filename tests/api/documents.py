"""What every answer of the API is held to."""

from __future__ import annotations

import json
from uuid import UUID

from django.http import HttpResponse


def problem_of(response: HttpResponse, status: int, name: str) -> dict[str, object]:
    """The problem document of an answer, checked to be a whole and honest one (RFC 9457)."""
    assert response.status_code == status, response.content
    assert response["Content-Type"] == "application/problem+json"
    document: dict[str, object] = json.loads(response.content)
    assert document["type"] == f"/api/problems/{name}"
    assert document["status"] == status
    assert document["title"]
    assert document["detail"]
    assert str(document["instance"]).startswith("/api/")
    assert str(UUID(str(document["request_id"]))) == response["X-Request-Id"]
    return document


def pointers(document: dict[str, object]) -> list[str]:
    errors = document["errors"]
    assert isinstance(errors, list)
    assert all(error["code"] and error["detail"] for error in errors)
    return [error["pointer"] for error in errors]

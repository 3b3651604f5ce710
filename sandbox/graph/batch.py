"""JSON batching: up to 20 requests in one, each with an answer and a status of its own."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

from sandbox.faults import Faults, Kind, status_error
from sandbox.http import HttpError, Request, Response, error_response, json_response

MAX_REQUESTS = 20
_FAILED = 400

Answer = dict[str, object]


def batch(request: Request, answer: Callable[[Request], Response], faults: Faults) -> Response:
    """The answers to the requests of a batch, in another order than they were asked in.

    A request that depends on one that failed is 424. Of faults only those with a status strike
    a request in a batch.
    """
    asked = _requests(request)
    known = [_text(one, "id") for one in asked]
    if len(set(known)) < len(known):
        raise HttpError(400, "BadRequest", "The ids of the requests must differ.")
    answers: dict[str, Answer] = {}
    for one in asked:
        needed = one.get("dependsOn") or []
        if not isinstance(needed, list) or not all(other in answers for other in needed):
            raise HttpError(400, "BadRequest", "dependsOn names requests that come before.")
        identity = _text(one, "id")
        if any(_status(answers[str(other)]) >= _FAILED for other in needed):
            error = HttpError(424, "FailedDependency", "A request it depends on failed.")
            answers[identity] = _as_answer(identity, error_response(error))
        else:
            answers[identity] = _as_answer(identity, _answered(request, one, answer, faults))
    return json_response({"responses": list(reversed(answers.values()))})


def _requests(request: Request) -> list[dict[str, object]]:
    asked = request.json().get("requests")
    if not isinstance(asked, list) or not all(isinstance(one, dict) for one in asked):
        raise HttpError(400, "BadRequest", "A batch is an object with a list of requests.")
    if len(asked) > MAX_REQUESTS:
        message = f"Number of batch request steps exceeds the maximum value of {MAX_REQUESTS}."
        raise HttpError(400, "BadRequest", message)
    return asked


def _answered(
    outer: Request,
    one: Mapping[str, object],
    answer: Callable[[Request], Response],
    faults: Faults,
) -> Response:
    """One request, asked as if it had come alone with the batch's own sign-in."""
    headers = one.get("headers")
    own = {str(name).lower(): str(value) for name, value in _mapping(headers).items()}
    body = json.dumps(one["body"]).encode() if "body" in one else b""
    version = outer.segments[0]
    target = f"/{version}/{_text(one, 'url').lstrip('/')}"
    kept = {name: outer.headers[name] for name in ("authorization", "host")}
    inner = Request(_text(one, "method").upper(), target, {**own, **kept}, body, outer.connection)
    fault = faults.strike(inner)
    try:
        if fault and fault.kind is Kind.STATUS:
            raise status_error(fault)
        return answer(inner)
    except HttpError as error:
        return error_response(error)


def _as_answer(identity: str, response: Response) -> Answer:
    answer: Answer = {"id": identity, "status": response.status, "headers": response.headers}
    if response.length:
        answer["body"] = json.loads(b"".join(response.pieces))
    return answer


def _status(answer: Answer) -> int:
    status = answer["status"]
    return status if isinstance(status, int) else 0


def _text(one: Mapping[str, object], name: str) -> str:
    value = one.get(name)
    if not isinstance(value, str) or not value:
        raise HttpError(400, "BadRequest", f"Every request of a batch needs {name}.")
    return value


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}

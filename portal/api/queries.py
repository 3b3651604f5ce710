"""Parameters of the query, read strictly: a misspelt one must not silently bill everybody."""

from __future__ import annotations

from typing import TypeVar

from rest_framework import serializers  # type: ignore[import-untyped]
from rest_framework.request import Request  # type: ignore[import-untyped]

from portal.api.cursors import LIMIT, MOST
from portal.api.problems import InvalidParameters, ParameterError


class Query(serializers.Serializer):  # type: ignore[misc]
    """The parameters of an address, each at most once. No others are accepted."""


class PageQuery(Query):
    limit = serializers.IntegerField(
        min_value=1, max_value=MOST, default=LIMIT, help_text="Records of a page."
    )
    cursor = serializers.CharField(
        required=False, max_length=2000, help_text="What next of the page before contained."
    )


Q = TypeVar("Q", bound=Query)


def read_query(request: Request, kind: type[Q]) -> Q:
    """The parameters, valid. Raises InvalidParameters that names each wrong one."""
    query = kind(data=request.query_params.dict())
    errors = [
        ParameterError(name, "unknown", "There is no such parameter here.")
        for name in request.query_params
        if name not in query.fields
    ]
    errors += [
        ParameterError(name, "repeated", "Give it once.")
        for name in query.fields
        if len(request.query_params.getlist(name)) > 1
    ]
    if not query.is_valid():
        errors += [
            ParameterError(name, detail.code, str(detail))
            for name, details in query.errors.items()
            for detail in details
        ]
    if errors:
        raise InvalidParameters(*errors)
    return query

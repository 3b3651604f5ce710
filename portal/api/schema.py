"""What the OpenAPI document says of all addresses alike: the key, and the problems."""

from __future__ import annotations

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from rest_framework import serializers  # type: ignore[import-untyped]

from portal.api.problems import MEDIA_TYPE

Responses = dict[tuple[int, str], type[serializers.Serializer]]


class ParameterErrorSerializer(serializers.Serializer):  # type: ignore[misc]
    pointer = serializers.CharField(help_text="/query/ and the name of the parameter.")
    code = serializers.CharField()
    detail = serializers.CharField()


class ProblemSerializer(serializers.Serializer):  # type: ignore[misc]
    """A problem document (RFC 9457)."""

    type = serializers.CharField(help_text="Names the kind of problem; an address explaining it.")
    title = serializers.CharField()
    status = serializers.IntegerField()
    detail = serializers.CharField()
    instance = serializers.CharField(help_text="The address that was asked.")
    request_id = serializers.UUIDField(help_text="Also in the server's log.")
    errors = ParameterErrorSerializer(
        many=True, required=False, help_text="One for each parameter that is wrong."
    )


PROBLEMS: Responses = {
    (status, MEDIA_TYPE): ProblemSerializer for status in (400, 401, 403, 405, 406, 429, 500)
}


class KeyScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = "portal.api.authentication.KeyAuthentication"
    match_subclasses = True
    name = "apiKey"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, str]:
        return {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "stw_<prefix>_<secret>",
            "description": "An API key that an operator of the provider made.",
        }

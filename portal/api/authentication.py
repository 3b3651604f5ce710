"""Keys of machines: ``Authorization: Bearer stw_<prefix>_<secret>``.

The kit reads the header; a subclass knows where keys are kept. Never a session: a browser that is
signed in has no more rights here than a stranger, and so there is nothing for a forged request.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Protocol
from uuid import UUID

from django.contrib.auth.models import AnonymousUser
from rest_framework import exceptions  # type: ignore[import-untyped]
from rest_framework.authentication import BaseAuthentication  # type: ignore[import-untyped]
from rest_framework.permissions import BasePermission  # type: ignore[import-untyped]
from rest_framework.request import Request  # type: ignore[import-untyped]

from portal.api.problems import MissingScope

if TYPE_CHECKING:  # settings name this module, which the framework's views read first
    from rest_framework.views import APIView  # type: ignore[import-untyped]

REALM = 'Bearer realm="Stowage"'


class Credential(Protocol):
    """A key that was found valid."""

    pk: UUID
    scopes: Collection[str]


class KeyAuthentication(BaseAuthentication):  # type: ignore[misc]
    """Sets ``request.auth`` to the credential; 401 with WWW-Authenticate otherwise."""

    def find(self, presented: str) -> Credential:
        """The valid credential of this text; raises AuthenticationFailed with the reason."""
        raise NotImplementedError

    def authenticate(self, request: Request) -> tuple[AnonymousUser, Credential]:
        header = request.META.get("HTTP_AUTHORIZATION", "")
        scheme, _, presented = header.partition(" ")
        if not header:
            raise exceptions.NotAuthenticated("The header Authorization is missing.")
        if scheme.lower() != "bearer":
            raise exceptions.NotAuthenticated("The scheme of Authorization must be Bearer.")
        return AnonymousUser(), self.find(presented.strip())

    def authenticate_header(self, request: Request) -> str:
        if request.META.get("HTTP_AUTHORIZATION"):
            return f'{REALM}, error="invalid_token"'
        return REALM


class HasScope(BasePermission):  # type: ignore[misc]
    """The view's ``scope`` is among those of the key."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        if view.scope not in request.auth.scopes:
            raise MissingScope(view.scope)
        return True

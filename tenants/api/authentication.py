from __future__ import annotations

from rest_framework import exceptions  # type: ignore[import-untyped]

from portal.api.authentication import KeyAuthentication
from tenants.api.services import KeyRefused, find_key
from tenants.models import ApiKey


class ProviderKeyAuthentication(KeyAuthentication):
    """Keys of the provider. A tenant's key is known, and has no part in the API yet: 403."""

    def find(self, presented: str) -> ApiKey:
        try:
            key = find_key(presented)
        except KeyRefused as refusal:
            raise exceptions.AuthenticationFailed(str(refusal)) from refusal
        if key.tenant_id is not None:
            raise exceptions.PermissionDenied("A tenant's key cannot be used here.")
        return key

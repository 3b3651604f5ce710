from __future__ import annotations

from rest_framework import serializers  # type: ignore[import-untyped]

from portal.api.queries import PageQuery
from tenants.models import Tenant


class TenantQuery(PageQuery):
    """The parameters of the list of tenants."""


class TenantSerializer(serializers.ModelSerializer):  # type: ignore[misc]
    """A tenant: a customer of the provider."""

    class Meta:
        model = Tenant
        fields = ("id", "slug", "name", "state", "created_at")
        read_only_fields = fields
        extra_kwargs = {
            "id": {"help_text": "Never changes."},
            "slug": {"help_text": "Part of the tenant's addresses."},
        }


class TenantPageSerializer(serializers.Serializer):  # type: ignore[misc]
    results = TenantSerializer(many=True)
    next = serializers.CharField(
        allow_null=True, help_text="The cursor of the next page; null at the end."
    )

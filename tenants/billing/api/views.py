from __future__ import annotations

from contextlib import suppress
from datetime import date
from uuid import UUID

from django.conf import settings
from django.db.models import Q
from django.utils.module_loading import import_string
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request  # type: ignore[import-untyped]
from rest_framework.response import Response  # type: ignore[import-untyped]

from portal.api.cursors import Page, read_cursor, write_cursor
from portal.api.problems import InvalidParameters, ParameterError
from portal.api.queries import read_query
from portal.api.schema import PROBLEMS
from tenants.api.base import ProviderView, snapshot
from tenants.billing.api.serializers import (
    MetricListSerializer,
    MetricQuery,
    UsagePageSerializer,
    UsageQuery,
)
from tenants.billing.metrics import CATALOGUE
from tenants.billing.querysets import Key, Usage, usage_of
from tenants.isolation.scope import OPERATOR
from tenants.models import ApiKey, Tenant


class UsageList(ProviderView):
    scope = ApiKey.Scope.USAGE_READ

    @extend_schema(
        operation_id="usage",
        summary="What tenants used in a month, day by day",
        description=(
            "One record per tenant, day and metric, ordered by day, tenant and metric. Days that"
            " lie ahead have no records. Needs the scope `usage:read`."
        ),
        tags=["usage"],
        parameters=[UsageQuery],
        responses={200: UsagePageSerializer, **PROBLEMS},
    )
    def get(self, request: Request) -> Response:
        query = read_query(request, UsageQuery)
        with snapshot():
            page = _page(query)
        return Response(UsagePageSerializer(page).data)


class MetricList(ProviderView):
    scope = ApiKey.Scope.USAGE_READ

    @extend_schema(
        operation_id="usage_metrics",
        summary="What is metered",
        description="Needs the scope `usage:read`.",
        tags=["usage"],
        responses={200: MetricListSerializer, **PROBLEMS},
    )
    def get(self, request: Request) -> Response:
        read_query(request, MetricQuery)
        return Response(MetricListSerializer({"results": list(CATALOGUE.values())}).data)


def _page(query: UsageQuery) -> Page[Usage]:
    asked = query.validated_data
    first, last = query.days
    tenant_id = _tenant_id(asked["tenant"]) if "tenant" in asked else None
    listing = f"usage/{asked['period']}/{tenant_id or ''}"
    after = _key(read_cursor(listing, asked["cursor"])) if "cursor" in asked else None
    found = usage_of(
        first,
        last,
        meter=import_string(settings.USAGE_METER),
        tenant_id=tenant_id,
        after=after,
        most=asked["limit"] + 1,
    )
    page = found[: asked["limit"]]
    if len(found) == len(page):
        return Page(page, None)
    day, tenant, metric = page[-1].key
    return Page(page, write_cursor(listing, (day.isoformat(), str(tenant), metric)))


def _tenant_id(name: str) -> UUID:
    """The id of the tenant with this id or slug."""
    which = Q(slug=name)
    with suppress(ValueError):
        which |= Q(pk=UUID(name))
    tenant = Tenant.objects.using(OPERATOR).filter(which).only("id").first()
    if tenant is None:
        raise InvalidParameters(
            ParameterError("tenant", "unknown_tenant", "There is no tenant with this id or slug.")
        )
    return tenant.pk


def _key(values: tuple[str, ...]) -> Key:
    day, tenant, metric = values
    return date.fromisoformat(day), UUID(tenant), metric

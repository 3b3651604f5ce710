from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.db.models import Q
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request  # type: ignore[import-untyped]
from rest_framework.response import Response  # type: ignore[import-untyped]

from portal.api.cursors import Page, read_cursor, write_cursor
from portal.api.queries import read_query
from portal.api.schema import PROBLEMS
from tenants.api.base import ProviderView
from tenants.api.serializers import TenantPageSerializer, TenantQuery
from tenants.isolation.scope import OPERATOR
from tenants.models import ApiKey, Tenant

_LISTING = "tenants"


class TenantList(ProviderView):
    scope = ApiKey.Scope.TENANTS_READ

    @extend_schema(
        operation_id="tenants",
        summary="All tenants, in the order of their creation",
        description="Needs the scope `tenants:read`.",
        tags=["tenants"],
        parameters=[TenantQuery],
        responses={200: TenantPageSerializer, **PROBLEMS},
    )
    def get(self, request: Request) -> Response:
        asked = read_query(request, TenantQuery).validated_data
        page = _tenants(cursor=asked.get("cursor"), limit=asked["limit"])
        return Response(TenantPageSerializer(page).data)


def _tenants(*, cursor: str | None, limit: int) -> Page[Tenant]:
    rows = Tenant.objects.using(OPERATOR).order_by("created_at", "id")
    if cursor is not None:
        created_at, last = read_cursor(_LISTING, cursor)
        at = datetime.fromisoformat(created_at)
        rows = rows.filter(Q(created_at__gt=at) | Q(created_at=at, id__gt=UUID(last)))
    found = list(rows[: limit + 1])
    page = found[:limit]
    more = len(found) > limit
    key = (page[-1].created_at.isoformat(), str(page[-1].pk)) if more else None
    return Page(page, write_cursor(_LISTING, key) if key else None)

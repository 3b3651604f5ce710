"""Wall 1: the tenant of a web request comes from its address and a membership.

Everything a view does and renders happens inside the transaction opened here (Django renders
a TemplateResponse before it returns to the innermost middleware, and this one is innermost).
A response that streams must read its rows before it is returned.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from uuid import UUID

from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse

from tenants.isolation.scope import APP, enter_tenant, leave_tenant, operator_scope, person_scope
from tenants.models import Membership, Tenant

_TENANT_PATH = re.compile(r"^/t/(?P<slug>[^/]+)/")
_OPERATOR_PATH = re.compile(r"^/operator/")
_API_PATH = re.compile(r"^/api/")

Responder = Callable[[HttpRequest], HttpResponse]


class TenantMiddleware:
    def __init__(self, get_response: Responder) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if _API_PATH.match(request.path_info):
            # A key says who asks, never a session (tenants/api/base.py).
            return self.get_response(request)
        person_id = request.user.pk if request.user.is_authenticated else None
        tenant_path = _TENANT_PATH.match(request.path_info)
        operator_path = _OPERATOR_PATH.match(request.path_info)
        if person_id is None and (tenant_path or operator_path):
            return redirect_to_login(request.get_full_path())
        try:
            with person_scope(person_id):
                if person_id and tenant_path:
                    _enter(request, tenant_path["slug"], person_id)
                response = self._respond(request, as_operator=operator_path is not None)
                if response.status_code >= 500 or getattr(request, "view_failed", False):
                    transaction.set_rollback(True, using=APP)
        finally:
            leave_tenant()
        return response

    def process_exception(self, request: HttpRequest, exception: Exception) -> None:
        # Django turns the exception into a response; what the view wrote must go all the same.
        request.view_failed = True  # type: ignore[attr-defined]

    def _respond(self, request: HttpRequest, *, as_operator: bool) -> HttpResponse:
        if not as_operator:
            return self.get_response(request)
        if not getattr(request.user, "is_operator", False):
            raise Http404
        with operator_scope():
            return self.get_response(request)


def _enter(request: HttpRequest, slug: str, person_id: UUID) -> None:
    """Set ``request.tenant`` and ``request.membership``; 404 for whoever is not a member.

    A member of a suspended tenant gets 403 and the reason.
    """
    tenant = Tenant.objects.filter(slug=slug, memberships__person_id=person_id).first()
    if tenant is None:
        raise Http404
    if tenant.state == Tenant.State.SUSPENDED:
        raise PermissionDenied(f"{tenant.name} is suspended. Your provider can open it again.")
    enter_tenant(tenant.pk)
    request.tenant = tenant  # type: ignore[attr-defined]
    request.membership = Membership.objects.get(  # type: ignore[attr-defined]
        tenant=tenant, person_id=person_id
    )

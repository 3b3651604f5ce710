"""How a page is guarded. The middleware has already answered 404 to whoever is not a member."""

from __future__ import annotations

from collections.abc import Callable
from functools import update_wrapper
from typing import Concatenate, ParamSpec, cast

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods
from django_htmx.middleware import HtmxDetails

from tenants.models import Membership, Person, Tenant
from tenants.people.permissions import Permission, allowed

P = ParamSpec("P")


class PersonRequest(HttpRequest):
    """A request of somebody who is signed in."""

    user: Person
    htmx: HtmxDetails


class TenantRequest(PersonRequest):
    """A request inside a tenant, from one of its members."""

    tenant: Tenant
    membership: Membership


TenantView = Callable[Concatenate[TenantRequest, P], HttpResponse]
PersonView = Callable[Concatenate[PersonRequest, P], HttpResponse]
GuardedView = Callable[..., HttpResponse]
"""What the resolver calls, with the parts of the address by name."""


def tenant_page(
    permission: Permission, *, methods: tuple[str, ...] = ("GET", "HEAD")
) -> Callable[[TenantView[P]], GuardedView]:
    """A page of the tenant in the address: 404 outside of one, 403 without the right."""

    def guard(view: TenantView[P]) -> GuardedView:
        def guarded(
            request: HttpRequest, slug: str, *args: P.args, **kwargs: P.kwargs
        ) -> HttpResponse:
            membership = getattr(request, "membership", None)
            if membership is None:
                raise Http404
            if not allowed(membership.role, permission):
                raise PermissionDenied
            inside = cast("TenantRequest", request)
            with timezone.override(inside.tenant.time_zone):
                return view(inside, *args, **kwargs)

        update_wrapper(guarded, view)
        return never_cache(require_http_methods(list(methods))(guarded))

    return guard


def operator_page(view: PersonView[P]) -> GuardedView:
    """A page of the provider: 404 for everybody else."""
    return _for_operators(view, "GET", "HEAD")


def operator_form(view: PersonView[P]) -> GuardedView:
    """A page of the provider with a form that is sent back to it."""
    return _for_operators(view, "GET", "HEAD", "POST")


def operator_action(view: PersonView[P]) -> GuardedView:
    """A button on a page of the provider."""
    return _for_operators(view, "POST")


def _for_operators(view: PersonView[P], *methods: str) -> GuardedView:
    def guarded(request: HttpRequest, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        if not getattr(request.user, "is_operator", False):
            raise Http404
        return view(cast("PersonRequest", request), *args, **kwargs)

    update_wrapper(guarded, view)
    return never_cache(require_http_methods(list(methods))(guarded))

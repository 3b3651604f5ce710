"""Whom a page is shown to: the tenants of a person, and what a role may do."""

from __future__ import annotations

from django import template
from django.db.models import QuerySet
from django.http import HttpRequest

from tenants.models import Person, Tenant
from tenants.people.permissions import Permission, allowed

register = template.Library()


@register.simple_tag
def tenants_of(person: Person) -> QuerySet[Tenant]:
    """The tenants that a person can switch between, by name."""
    return Tenant.objects.filter(memberships__person=person).order_by("name")


@register.simple_tag(takes_context=True)
def may(context: template.Context, permission: str) -> bool:
    """Whether this page's person has a right here; a page offers nothing that would answer 403."""
    request: HttpRequest = context["request"]
    membership = getattr(request, "membership", None)
    return membership is not None and allowed(membership.role, Permission(permission))

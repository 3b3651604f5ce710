"""Tenants and people: creating them."""

from __future__ import annotations

from django.db import transaction

from portal.ids import uuid7
from tenants.audit.services import record
from tenants.isolation.scope import OPERATOR, tenant_scope
from tenants.models import Membership, Person, Tenant
from tenants.people.permissions import Role


def create_tenant(*, name: str, slug: str, time_zone: str = "UTC") -> Tenant:
    """Create a tenant, as the provider's operator. Raises IntegrityError when the slug is taken."""
    with transaction.atomic(using=OPERATOR):
        tenant = Tenant(id=uuid7(), name=name, slug=slug, time_zone=time_zone)
        tenant.full_clean(validate_unique=False, validate_constraints=False)
        tenant.save(using=OPERATOR, force_insert=True)
    with tenant_scope(tenant.pk):
        record(action="tenant.created", subject=name)
    return tenant


def create_person(*, email: str, name: str, password: str, is_operator: bool = False) -> Person:
    """Create somebody who can sign in, with a verified address. The e-mail must be new."""
    return Person.objects.create_user(
        email=email, password=password, name=name, is_operator=is_operator
    )


def add_member(*, tenant: Tenant, person: Person, role: Role) -> Membership:
    with tenant_scope(tenant.pk):
        membership = Membership.objects.create(tenant=tenant, person=person, role=role)
        record(action="member.added", subject=person.email, role=str(role))
    return membership

"""Tenants and people: creating them, and closing a tenant's doors."""

from __future__ import annotations

from uuid import UUID

from django.db import transaction

from portal.ids import uuid7
from tenants.audit.services import record
from tenants.isolation.scope import OPERATOR, tenant_scope
from tenants.models import Membership, Person, Tenant
from tenants.people.permissions import Role


def create_tenant(
    *,
    name: str,
    slug: str,
    time_zone: str = "UTC",
    person_id: UUID | None = None,
    tenant_id: UUID | None = None,
) -> Tenant:
    """Create a tenant, as the provider's operator. ``tenant_id``: one that it had before.

    Raises ValidationError for values that cannot be, IntegrityError when the slug is taken.
    """
    with transaction.atomic(using=OPERATOR):
        tenant = Tenant(id=tenant_id or uuid7(), name=name, slug=slug, time_zone=time_zone)
        tenant.full_clean(validate_unique=False, validate_constraints=False)
        tenant.save(using=OPERATOR, force_insert=True)
        _record_after_commit(tenant, "tenant.created", person_id)
    return tenant


def suspend(*, tenant: Tenant, person_id: UUID | None = None) -> None:
    """Close the tenant: nobody gets in, no job starts. Its data stays, running work goes on."""
    _set_state(tenant, Tenant.State.SUSPENDED, "tenant.suspended", person_id)


def resume(*, tenant: Tenant, person_id: UUID | None = None) -> None:
    """Open the tenant again; its jobs run at their next time."""
    _set_state(tenant, Tenant.State.ACTIVE, "tenant.resumed", person_id)


def _set_state(tenant: Tenant, state: Tenant.State, action: str, person_id: UUID | None) -> None:
    with transaction.atomic(using=OPERATOR):
        changed = Tenant.objects.using(OPERATOR).filter(pk=tenant.pk).exclude(state=state)
        if changed.update(state=state):
            _record_after_commit(tenant, action, person_id)


def _record_after_commit(tenant: Tenant, action: str, person_id: UUID | None) -> None:
    """The operator's role cannot write events: the tenant's does, once it sees what was done."""

    def write() -> None:
        with tenant_scope(tenant.pk):
            record(action=action, subject=tenant.name, person_id=person_id)

    transaction.on_commit(write, using=OPERATOR)


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

"""Finding what a command names, with an error that says what is there instead."""

from __future__ import annotations

from django.core.management.base import CommandError

from backups.infrastructure.models import Repository
from backups.organizations.models import Mailbox
from tenants.isolation.scope import OPERATOR, tenant_scope
from tenants.models import Tenant


def tenant_by_slug(slug: str) -> Tenant:
    tenants = Tenant.objects.using(OPERATOR)
    found = tenants.filter(slug=slug).first()
    if found is None:
        known = ", ".join(tenants.values_list("slug", flat=True)) or "none yet"
        raise CommandError(f"There is no tenant {slug}. Tenants: {known}.")
    return found


def repository_by_name(name: str) -> Repository:
    repositories = Repository.objects.using(OPERATOR)
    found = repositories.filter(name=name).first()
    if found is None:
        known = ", ".join(repositories.values_list("name", flat=True)) or "none yet"
        raise CommandError(f"There is no repository {name}. Repositories: {known}.")
    return found


def mailbox_by_address(tenant: Tenant, address: str) -> Mailbox:
    with tenant_scope(tenant.pk):
        found = Mailbox.objects.filter(address__iexact=address, backups__isnull=False).first()
    if found is None:
        raise CommandError(f"{tenant} has no backup of {address}.")
    return found

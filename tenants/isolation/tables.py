"""The three kinds of table. Every model of ours derives from exactly one of these bases.

*Global* tables belong to no tenant (accounts, infrastructure). *Tenant* tables carry
``tenant_id`` and are read only as that tenant. *Entry* tables are read before the tenant is
known, by the person who is signing in; after that they behave as tenant tables.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Generic, TypeVar
from uuid import UUID

from django.db import models

from portal.ids import uuid7
from tenants.isolation.scope import OPERATOR, NoTenant, current_tenant, operating, require_tenant

M = TypeVar("M", bound=models.Model)


class TenantForeignKey(models.ForeignKey[Any, Any]):
    """A reference from one tenant table to another.

    The database constraint is not Django's: ``IsolateTable`` makes a composite key
    ``(tenant_id, …_id) → (tenant_id, id)``, so a row can never point into another tenant
    (row security does not check what foreign keys refer to).
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs["db_constraint"] = False
        super().__init__(*args, **kwargs)

    def deconstruct(self) -> Any:
        name, path, args, kwargs = super().deconstruct()
        kwargs.pop("db_constraint", None)
        return name, path, args, kwargs


class TenantQuerySet(models.QuerySet[M]):
    """Refuses to write rows of any tenant but the current one."""

    def create(self, **values: Any) -> M:
        return super().create(**_owned(self, values))

    def bulk_create(self, objs: Iterable[M], *args: Any, **kwargs: Any) -> list[M]:
        rows = list(objs)
        for row in rows:
            _refuse_foreign(row)
        return super().bulk_create(rows, *args, **kwargs)


class TenantManager(models.Manager[M], Generic[M]):
    """Filters by the current tenant and fails closed when there is none.

    The operator's alias is the one way around (``operator_scope()``, or
    ``Model.objects.using("operator")``), and the database grants that role nothing on content.
    """

    _queryset_class = TenantQuerySet

    def get_queryset(self) -> models.QuerySet[M]:
        queryset = super().get_queryset()
        if self._db == OPERATOR or (self._db is None and operating()):
            return queryset.using(OPERATOR)
        return queryset.filter(tenant_id=require_tenant())

    def using(self, alias: str | None) -> models.QuerySet[M]:
        return self.db_manager(alias).get_queryset()


class GlobalModel(models.Model):
    """A row that belongs to no tenant. ``portal_app`` gets only what the migration grants."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)

    class Meta:
        abstract = True


class TenantModel(models.Model):
    """A row of one tenant: filtered by the manager, enforced by row security."""

    tenant = models.ForeignKey("tenants.Tenant", on_delete=models.CASCADE, related_name="+")

    class Meta:
        abstract = True
        base_manager_name = "objects"

    def save(self, *args: Any, **kwargs: Any) -> None:
        _fill_tenant(self)
        _refuse_foreign(self)
        super().save(*args, **kwargs)


class EntryModel(models.Model):
    """A row that is read by person before the tenant is known, then by tenant."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)

    class Meta:
        abstract = True


class IdentifiedTenantModel(TenantModel):
    """A tenant's row that is named in addresses: a UUID tells nobody what else exists."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)

    class Meta(TenantModel.Meta):
        abstract = True


def _fill_tenant(row: models.Model) -> None:
    if getattr(row, "tenant_id", None) is None:
        row.tenant_id = current_tenant()  # type: ignore[attr-defined]


def _owned(queryset: models.QuerySet[M], values: dict[str, Any]) -> dict[str, Any]:
    if "tenant" in values or "tenant_id" in values:
        return values
    return {**values, "tenant_id": require_tenant()}


def _refuse_foreign(row: models.Model) -> None:
    if operating():
        return
    _fill_tenant(row)
    owner: UUID | None = getattr(row, "tenant_id", None)
    if owner is None or owner != require_tenant():
        raise NoTenant(f"{type(row).__name__} of tenant {owner} cannot be written here")

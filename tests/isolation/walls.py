"""What the isolation tests ask of PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from django.apps import apps
from django.db import connections

from tenants.isolation.scope import tenant_scope
from tenants.isolation.tables import EntryModel, TenantModel


def tenant_tables() -> list[str]:
    """Every table under row security, entry tables too."""
    return sorted(
        model._meta.db_table
        for label in ("tenants", "backups")
        for model in apps.get_app_config(label).get_models()
        if issubclass(model, TenantModel | EntryModel)
    )


def owner_column(table: str) -> str:
    return "id" if table == "tenants_tenant" else "tenant_id"


def leaks(tenant_id: UUID) -> dict[str, int]:
    """Rows of other tenants that raw SQL sees as this tenant, by table."""
    found: dict[str, int] = {}
    with tenant_scope(tenant_id), connections["default"].cursor() as cursor:
        for table in tenant_tables():
            cursor.execute(
                f"SELECT count(*) FROM {table} WHERE {owner_column(table)} <> %s", [tenant_id]
            )
            (count,) = cursor.fetchone()
            if count:
                found[table] = count
    return found


@contextmanager
def open_policy(table: str) -> Iterator[None]:
    """The table with a policy that lets every row pass, and its own back afterwards."""
    with connections["owner"].cursor() as cursor:
        cursor.execute(
            "SELECT qual, with_check FROM pg_policies"
            " WHERE tablename = %s AND policyname = 'tenant_rows'",
            [table],
        )
        using, check = cursor.fetchone()
        cursor.execute(f"DROP POLICY tenant_rows ON {table}")
        cursor.execute(f"CREATE POLICY tenant_rows ON {table} TO portal_app USING (true)")
        try:
            yield
        finally:
            cursor.execute(f"DROP POLICY tenant_rows ON {table}")
            cursor.execute(
                f"CREATE POLICY tenant_rows ON {table} TO portal_app"
                f" USING ({using}) WITH CHECK ({check})"
            )

"""Deleting rows with all that belongs to them, counted by table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from uuid import UUID

from django.db import connections, models
from django.db.models import ManyToOneRel

from tenants.isolation.scope import APP, require_tenant

Values = list[UUID]


def delete_with_dependents(
    model: type[models.Model], condition: str, values: Values, gone: Counter[str]
) -> None:
    """Delete the current tenant's rows of a table and, as each reference to them says, those that
    hang on them; ``gone`` is added to. What protects them must have gone before.

    In SQL, for a mailbox may have a million rows.
    """
    table = model._meta.db_table
    for relation in _references_to(model):
        column, other = relation.field.column, relation.related_model
        inner = f"{column} IN (SELECT id FROM {table} WHERE {condition})"  # noqa: S608
        if relation.on_delete is models.CASCADE:
            delete_with_dependents(other, inner, values, gone)
        elif relation.on_delete is models.SET_NULL:
            _execute(f"UPDATE {other._meta.db_table} SET {column} = NULL WHERE {inner}", values)  # noqa: S608
    gone[table] += _execute(f"DELETE FROM {table} WHERE {condition}", values)  # noqa: S608


def point_to(
    model: type[models.Model],
    old: UUID,
    new: UUID,
    *,
    but: Collection[type[models.Model]],
) -> None:
    """Let every row that refers to one of the model refer to another one, ``but`` those tables."""
    for relation in _references_to(model):
        if relation.related_model in but:
            continue
        column, table = relation.field.column, relation.related_model._meta.db_table
        _execute(f"UPDATE {table} SET {column} = %s WHERE {column} = %s", [new, old])  # noqa: S608


def _references_to(model: type[models.Model]) -> list[ManyToOneRel]:
    """Those without a name on the other side too."""
    fields = model._meta.get_fields(include_hidden=True)
    return [field for field in fields if isinstance(field, ManyToOneRel)]


def _execute(statement: str, values: Values) -> int:
    with connections[APP].cursor() as cursor:
        cursor.execute(f"{statement} AND tenant_id = %s", [*values, require_tenant()])
        return int(cursor.rowcount)

"""Migration operations that make the database enforce the kind of a table.

Each is reversible and leaves Django's own state alone, so ``makemigrations --check`` stays clean.
Sources of the rules: PostgreSQL manual, "Row Security Policies"; architecture in
docs/isolation.md.
"""

from __future__ import annotations

from typing import Any

from django.db.migrations.operations.base import Operation

from tenants.isolation.tables import TenantForeignKey

TENANT = "nullif(current_setting('app.tenant_id', true), '')::uuid"
PERSON = "nullif(current_setting('app.person_id', true), '')::uuid"
HASH = "decode(nullif(current_setting('app.entry_hash', true), ''), 'hex')"
READ = "SELECT"
WRITE = "SELECT, INSERT, UPDATE, DELETE"
APPEND = "SELECT, INSERT"
NOTHING = ""


class _TableOperation(Operation):
    reduces_to_sql = True
    reversible = True

    def __init__(self, model: str) -> None:
        self.model = model

    def state_forwards(self, app_label: str, state: Any) -> None:
        """The models do not change."""

    def database_forwards(
        self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any
    ) -> None:
        model = to_state.apps.get_model(app_label, self.model)
        if self.allow_migrate_model(schema_editor.connection.alias, model):
            for statement in self.statements(model):
                schema_editor.execute(statement)

    def database_backwards(
        self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any
    ) -> None:
        model = from_state.apps.get_model(app_label, self.model)
        if self.allow_migrate_model(schema_editor.connection.alias, model):
            for statement in self.undoing(model):
                schema_editor.execute(statement)

    def describe(self) -> str:
        return f"{type(self).__name__} on {self.model}"

    def statements(self, model: Any) -> list[str]:
        raise NotImplementedError

    def undoing(self, model: Any) -> list[str]:
        raise NotImplementedError


class GrantTable(_TableOperation):
    """A global table: exactly these rights for the two roles of the service."""

    def __init__(self, model: str, *, app: str, operator: str) -> None:
        super().__init__(model)
        self.app = app
        self.operator = operator

    def statements(self, model: Any) -> list[str]:
        return _grants(model._meta.db_table, self.app, self.operator)

    def undoing(self, model: Any) -> list[str]:
        return _grants(model._meta.db_table, WRITE, NOTHING)


class IsolateTable(_TableOperation):
    """A tenant or entry table: row security, rights, and composite foreign keys.

    ``rows`` says which rows ``portal_app`` may read, ``written`` which it may write; both
    default to the rows of the current tenant. ``operator`` are the rights of the operator's
    role, which sees the rows of all tenants in the tables it has a right on.
    """

    def __init__(
        self,
        model: str,
        *,
        operator: str,
        app: str = WRITE,
        rows: str = f"tenant_id = {TENANT}",
        written: str = f"tenant_id = {TENANT}",
        key: str = "tenant_id, id",
    ) -> None:
        super().__init__(model)
        self.app = app
        self.operator = operator
        self.rows = rows
        self.written = written
        self.key = key

    def statements(self, model: Any) -> list[str]:
        table = model._meta.db_table
        statements = [
            f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY",
            f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY",
            f"CREATE POLICY tenant_rows ON {table} TO portal_app"
            f" USING ({self.rows}) WITH CHECK ({self.written})",
            # Under FORCE the owner sees nothing: data migrations and dumps would pass by silently.
            f"CREATE POLICY owner_rows ON {table} TO portal_owner USING (true) WITH CHECK (true)",
        ]
        if self.operator:
            statements.append(
                f"CREATE POLICY operator_rows ON {table} TO portal_operator"
                " USING (true) WITH CHECK (true)"
            )
        statements += _grants(table, self.app, self.operator)
        if self.key:
            statements.append(
                f"ALTER TABLE {table} ADD CONSTRAINT {table}_tenant_key UNIQUE ({self.key})"
            )
        statements += [reference_sql(model, field) for field in _references(model)]
        return statements

    def undoing(self, model: Any) -> list[str]:
        table = model._meta.db_table
        statements = [_drop_reference(model, field) for field in _references(model)]
        if self.key:
            statements.append(f"ALTER TABLE {table} DROP CONSTRAINT {table}_tenant_key")
        statements += [
            f"DROP POLICY IF EXISTS {policy} ON {table}"
            for policy in ("tenant_rows", "owner_rows", "operator_rows")
        ]
        return [
            *statements,
            *_grants(table, WRITE, NOTHING),
            f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY",
            f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY",
        ]


def reference_sql(model: Any, field: Any) -> str:
    """The composite key of one reference: a row can only point inside its own tenant."""
    parent = field.related_model._meta.db_table
    return (
        f"ALTER TABLE {model._meta.db_table} ADD CONSTRAINT {_reference_name(model, field)}"
        f" FOREIGN KEY (tenant_id, {field.column}) REFERENCES {parent} (tenant_id, id)"
        " DEFERRABLE INITIALLY DEFERRED"
    )


def _drop_reference(model: Any, field: Any) -> str:
    return f"ALTER TABLE {model._meta.db_table} DROP CONSTRAINT {_reference_name(model, field)}"


def _reference_name(model: Any, field: Any) -> str:
    return f"{model._meta.db_table}_{field.column}_same_tenant"[:63]


def _references(model: Any) -> list[Any]:
    return [field for field in model._meta.local_fields if isinstance(field, TenantForeignKey)]


def _grants(table: str, app: str, operator: str) -> list[str]:
    statements = [f"REVOKE ALL ON {table} FROM portal_app, portal_operator"]
    if app:
        statements.append(f"GRANT {app} ON {table} TO portal_app")
    if operator:
        statements.append(f"GRANT {operator} ON {table} TO portal_operator")
    return statements

"""Wall 3: what PostgreSQL itself refuses, whatever the code does."""

from __future__ import annotations

import pytest
from django.apps import apps
from django.db import IntegrityError, ProgrammingError, connections, transaction

from backups.catalog.models import Folder, ItemVersion
from backups.jobs.models import Job
from backups.organizations.models import Mailbox
from tenants.isolation.scope import operator_scope, person_scope, tenant_scope
from tenants.isolation.tables import EntryModel, GlobalModel, TenantModel
from tenants.models import Membership, Person, Tenant
from tests.cast import CANARY, Cast
from tests.isolation.walls import leaks, open_policy, tenant_tables

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "operator", "owner"])

CONTENT = (
    "backups_itemversion",
    "backups_folder",
    "backups_synccursor",
    "backups_itemfault",
    "backups_bloblocation",
    "backups_restoreitem",
    "backups_mailboxkey",
    "tenants_tenantkey",
)


def test_every_model_of_ours_is_of_one_of_the_three_kinds() -> None:
    kinds = (GlobalModel, TenantModel, EntryModel)
    ours = [m for label in ("tenants", "backups") for m in apps.get_app_config(label).get_models()]
    for model in ours:
        if model is not Person:
            assert sum(issubclass(model, kind) for kind in kinds) == 1, model


def test_every_tenant_table_is_under_forced_row_security() -> None:
    with connections["owner"].cursor() as cursor:
        cursor.execute(
            "SELECT c.relname, c.relrowsecurity AND c.relforcerowsecurity, EXISTS (SELECT FROM"
            " pg_policies p WHERE p.tablename = c.relname AND p.policyname = 'tenant_rows'"
            " AND p.roles = '{portal_app}') FROM pg_class c WHERE c.relkind IN ('r', 'p')"
            " AND c.relnamespace = 'public'::regnamespace"
        )
        found = {name: (enabled, policy) for name, enabled, policy in cursor.fetchall()}
    for table in tenant_tables():
        assert found[table] == (True, True), table


def test_every_reference_between_tenant_tables_is_bound_to_the_tenant() -> None:
    with connections["owner"].cursor() as cursor:
        cursor.execute(
            "SELECT conrelid::regclass::text, pg_get_constraintdef(oid) FROM pg_constraint"
            " WHERE contype = 'f'"
        )
        keys = cursor.fetchall()
    tables = set(tenant_tables())
    for model in apps.get_app_config("backups").get_models():
        for field in model._meta.local_fields:
            target = getattr(field, "related_model", None)
            if target is None or target._meta.db_table not in tables or target is Tenant:
                continue
            expected = f"FOREIGN KEY (tenant_id, {field.column}) REFERENCES"
            assert any(
                table == model._meta.db_table and definition.startswith(expected)
                for table, definition in keys
            ), field


def test_raw_sql_without_a_tenant_sees_no_row(cast: Cast) -> None:
    with transaction.atomic(), connections["default"].cursor() as cursor:
        for table in tenant_tables():
            cursor.execute(f"SELECT count(*) FROM {table}")
            assert cursor.fetchone() == (0,), table


def test_raw_sql_of_one_tenant_never_sees_another(cast: Cast) -> None:
    assert leaks(cast.acme.id) == {}


def test_a_person_sees_only_his_own_memberships_before_a_tenant_is_entered(cast: Cast) -> None:
    with person_scope(cast.admin.pk):
        assert list(Tenant.objects.values_list("slug", flat=True)) == ["acme"]
        assert set(Membership.objects.values_list("person_id", flat=True)) == {cast.admin.pk}


def test_a_row_of_another_tenant_cannot_be_inserted(cast: Cast) -> None:
    with (
        pytest.raises(ProgrammingError, match="row-level security"),
        tenant_scope(cast.acme.id),
        connections["default"].cursor() as cursor,
    ):
        cursor.execute(
            "INSERT INTO backups_folder (tenant_id, backup_id, folder_id, parent_id, name, kind,"
            " well_known, first) VALUES (%s, %s, 'x', '', 'x', '', '', 1)",
            [cast.globex.id, cast.globex.backup.pk],
        )


def test_a_reference_into_another_tenant_is_refused(cast: Cast) -> None:
    with pytest.raises(IntegrityError, match="same_tenant"), tenant_scope(cast.acme.id):
        Mailbox.objects.filter(pk=cast.acme.mailbox.pk).update(
            organization_id=cast.globex.organization.pk
        )


def test_another_tenants_rows_cannot_be_changed_or_deleted(cast: Cast) -> None:
    with tenant_scope(cast.acme.id), connections["default"].cursor() as cursor:
        cursor.execute("UPDATE backups_job SET name = 'stolen' WHERE id = %s", [cast.globex.job.pk])
        assert cursor.rowcount == 0
        cursor.execute("DELETE FROM backups_folder WHERE id = %s", [cast.globex.folder.pk])
        assert cursor.rowcount == 0


def test_a_tenant_can_read_neither_proxies_nor_repositories(cast: Cast) -> None:
    for table in ("backups_proxy", "backups_repository"):
        with (
            pytest.raises(ProgrammingError, match="permission denied"),
            tenant_scope(cast.acme.id),
            connections["default"].cursor() as cursor,
        ):
            cursor.execute(f"SELECT * FROM {table}")


def test_a_tenant_cannot_raise_its_own_quota(cast: Cast) -> None:
    with (
        pytest.raises(ProgrammingError, match="permission denied"),
        tenant_scope(cast.acme.id),
        connections["default"].cursor() as cursor,
    ):
        cursor.execute("UPDATE backups_allocation SET quota_bytes = NULL")


@pytest.mark.parametrize("table", CONTENT)
def test_the_operators_role_has_no_right_to_content(cast: Cast, table: str) -> None:
    with (
        pytest.raises(ProgrammingError, match="permission denied"),
        connections["operator"].cursor() as cursor,
    ):
        cursor.execute(f"SELECT count(*) FROM {table}")


def test_audit_events_can_be_neither_changed_nor_deleted(cast: Cast) -> None:
    for statement in (
        "UPDATE tenants_auditevent SET action = ''",
        "DELETE FROM tenants_auditevent",
    ):
        with (
            pytest.raises(ProgrammingError, match="permission denied"),
            tenant_scope(cast.acme.id),
            connections["default"].cursor() as cursor,
        ):
            cursor.execute(statement)


def test_the_operator_sees_jobs_of_all_tenants(cast: Cast) -> None:
    with operator_scope():
        assert {job.tenant_id for job in Job.objects.all()} == {cast.acme.id, cast.globex.id}
    with tenant_scope(cast.acme.id):
        assert {job.tenant_id for job in Job.objects.all()} == {cast.acme.id}
        assert CANARY not in "".join(Folder.objects.values_list("name", flat=True))
        assert CANARY not in "".join(ItemVersion.objects.values_list("subject", flat=True))


def test_the_cast_of_globex_has_a_row_in_every_table(cast: Cast) -> None:
    """Otherwise the mutation below could not show a leak there."""
    with tenant_scope(cast.globex.id), connections["default"].cursor() as cursor:
        for table in tenant_tables():
            cursor.execute(f"SELECT count(*) FROM {table}")
            assert cursor.fetchone() != (0,), table


def test_each_policy_counts(cast: Cast) -> None:
    """The mutation: a policy that lets everything pass must show as a leak of that very table."""
    for table in tenant_tables():
        with open_policy(table):
            assert table in leaks(cast.acme.id), table
    assert leaks(cast.acme.id) == {}

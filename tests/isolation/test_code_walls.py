"""Walls 1 and 2: what the code refuses before the database has to."""

from __future__ import annotations

import pytest
from celery import Task

from backups.catalog.models import Folder
from backups.jobs.models import Job
from portal.celery import app
from tenants.isolation.scope import NoTenant, operator_scope, tenant_context, tenant_scope
from tenants.isolation.tasks import TENANT_HEADER, SystemTask, TenantTask
from tests.cast import Cast

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "operator", "owner"])


def tasks() -> dict[str, Task]:
    """Every task, as a worker finds them when it starts."""
    app.loader.import_default_modules()
    return dict(app.tasks)


def test_every_task_of_ours_has_one_of_the_two_base_classes() -> None:
    ours = {name: task for name, task in tasks().items() if not name.startswith("celery.")}
    assert {"backups.tick", "backups.run_queue", "backups.prepare_session"} <= set(ours)
    for name, task in ours.items():
        assert isinstance(task, SystemTask) != isinstance(task, TenantTask), name


def test_a_tenant_table_without_a_tenant_raises(cast: Cast) -> None:
    for touch in (
        lambda: Job.objects.exists(),
        lambda: Job.objects.count(),
        lambda: Job.objects.create(name="x"),
        lambda: Job.objects.bulk_create([Job(name="x")]),
        lambda: Job(name="x").save(),
        lambda: cast.acme.organization.jobs.count(),
        lambda: cast.acme.job.refresh_from_db(),
    ):
        with pytest.raises(NoTenant):
            touch()


def test_a_row_of_another_tenant_is_refused_before_the_database_is_asked(cast: Cast) -> None:
    with tenant_scope(cast.acme.id):
        for write in (
            lambda: cast.globex.job.save(),
            lambda: Job.objects.bulk_create([cast.globex.job]),
            lambda: Folder(tenant=cast.globex.tenant, backup=cast.globex.backup).save(),
        ):
            with pytest.raises(NoTenant):
                write()
        assert not Job.objects.filter(pk=cast.globex.job.pk).exists()


def test_a_tenant_cannot_be_entered_inside_another(cast: Cast) -> None:
    with (
        tenant_scope(cast.acme.id),
        pytest.raises(NoTenant),
        tenant_scope(cast.globex.id),
    ):
        pass
    with tenant_scope(cast.acme.id), pytest.raises(NoTenant), operator_scope():
        pass


def test_a_nested_scope_leaves_the_outer_one_as_it_was(cast: Cast) -> None:
    with tenant_scope(cast.acme.id):
        with tenant_scope(cast.acme.id):
            assert Job.objects.count() == 1
        assert Job.objects.count() == 1
        with pytest.raises(ZeroDivisionError), tenant_scope(cast.acme.id):
            raise ZeroDivisionError
        assert Job.objects.count() == 1


def test_outside_a_transaction_a_tenants_context_reads_nothing(cast: Cast) -> None:
    with tenant_context(cast.acme.id):
        assert Job.objects.count() == 0


def test_a_task_of_a_tenant_without_its_header_is_refused(cast: Cast) -> None:
    task = tasks()["backups.prepare_session"]
    with pytest.raises(NoTenant):
        task.apply_async([str(cast.acme.session.pk)])
    with pytest.raises(RuntimeError, match="without a tenant"):
        task(str(cast.acme.session.pk))


def test_a_task_runs_as_the_tenant_in_its_header(cast: Cast) -> None:
    """Acme's task, given Globex's session, does not find it."""
    task = tasks()["backups.prepare_session"]
    result = task.apply([str(cast.globex.session.pk)], headers={TENANT_HEADER: str(cast.acme.id)})
    assert result.failed()
    assert "DoesNotExist" in repr(result.result)

"""Usage: what is counted, what is closed, and how it is read."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from threading import Barrier, Thread
from uuid import UUID

import pytest
import time_machine
from django.core.management import CommandError, call_command
from django.db import connections
from django.test import Client
from django.test.utils import CaptureQueriesContext

from backups.catalog.models import MailboxBackup, Pack, RestorePoint
from backups.infrastructure.usage import measure
from backups.organizations.models import Mailbox
from portal.celery import app
from tenants.billing.services import DayNotOver, record_sample, sample_day, sample_missed_days
from tenants.isolation.scope import OPERATOR, tenant_scope
from tenants.models import Tenant, UsageSample
from tests.api.conftest import holder_of
from tests.api.documents import pointers, problem_of
from tests.cast import Cast, Company

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "operator", "owner"])

DAY = date(2026, 5, 12)
END = datetime(2026, 5, 13, tzinfo=UTC)
SECOND = timedelta(seconds=1)
Record = dict[str, object]


@pytest.fixture
def in_may(cast: Cast) -> Iterator[None]:
    """An hour past the day: the tenants are two days old and have used nothing at all."""
    with connections["owner"].cursor() as cursor:
        cursor.execute("DELETE FROM tenants_usagesample")
        cursor.execute("DELETE FROM backups_restorepoint")
        cursor.execute("DELETE FROM backups_bloblocation")
        cursor.execute("DELETE FROM backups_pack")
        cursor.execute("UPDATE tenants_tenant SET created_at = %s", [END - timedelta(days=2)])
    with time_machine.travel(END + timedelta(hours=1), tick=False):
        yield


def add_point(company: Company, taken_at: datetime) -> None:
    with tenant_scope(company.id):
        sequence = RestorePoint.objects.count() + 1
        RestorePoint.objects.create(
            backup=company.backup, sequence=sequence, taken_at=taken_at, items=1, bytes=1
        )


def add_pack(company: Company, size: int, stored_at: datetime) -> None:
    with tenant_scope(company.id):
        pack = Pack.objects.create(
            repository=company.allocation.repository,
            name=f"pack {size}",
            pack_class="S",
            size=size,
        )
    with connections["owner"].cursor() as cursor:
        cursor.execute("UPDATE backups_pack SET stored_at = %s WHERE id = %s", [stored_at, pack.pk])


def read(api: Client, **query: object) -> list[Record]:
    """All pages."""
    asked = {"period": "2026-05", **query}
    found: list[Record] = []
    while True:
        answer = api.get("/api/v1/usage", asked)
        assert answer.status_code == 200, answer.content
        found += answer.json()["results"]
        if answer.json()["next"] is None:
            return found
        asked["cursor"] = answer.json()["next"]


def value(records: list[Record], company: Company, metric: str, day: date = DAY) -> object:
    (found,) = [
        record["value"]
        for record in records
        if (record["tenant"], record["metric"], record["day"])
        == (str(company.id), metric, day.isoformat())
    ]
    return found


@pytest.mark.parametrize(
    ("taken_at", "protected"),
    [
        (END - SECOND, 1),
        (END, 0),
        (END - timedelta(days=31) + SECOND, 1),
        (END - timedelta(days=31), 0),
    ],
)
def test_a_mailbox_is_protected_by_a_restore_point_younger_than_31_days_at_the_days_end(
    in_may: None, cast: Cast, api: Client, taken_at: datetime, protected: int
) -> None:
    add_point(cast.acme, taken_at)
    sample_day(day=DAY, meter=measure)
    assert value(read(api), cast.acme, "protected_mailboxes") == protected
    assert value(read(api), cast.globex, "protected_mailboxes") == 0


def test_a_run_without_changes_confirms_the_protection(
    in_may: None, cast: Cast, api: Client
) -> None:
    add_point(cast.acme, END - timedelta(days=90))
    with tenant_scope(cast.acme.id):
        MailboxBackup.objects.update(current_at=END - timedelta(days=1))
    sample_day(day=DAY, meter=measure)
    assert value(read(api), cast.acme, "protected_mailboxes") == 1


def test_a_mailbox_with_many_points_counts_once(in_may: None, cast: Cast, api: Client) -> None:
    for days in range(1, 4):
        add_point(cast.acme, END - timedelta(days=days))
    sample_day(day=DAY, meter=measure)
    assert value(read(api), cast.acme, "protected_mailboxes") == 1


def test_stored_bytes_are_the_packs_of_the_day(in_may: None, cast: Cast, api: Client) -> None:
    add_pack(cast.acme, 1000, END - timedelta(days=1))
    add_pack(cast.acme, 24, END - SECOND)
    add_pack(cast.acme, 5, END)
    add_pack(cast.globex, 7_000_000_000, END - SECOND)
    sample_day(day=DAY, meter=measure)
    records = read(api)
    assert value(records, cast.acme, "stored_bytes") == 1024
    assert value(records, cast.globex, "stored_bytes") == 7_000_000_000


def test_a_closed_day_never_changes(in_may: None, cast: Cast, api: Client) -> None:
    add_pack(cast.acme, 1000, END - SECOND)
    sample_day(day=DAY, meter=measure)
    closed = [record for record in read(api) if record["day"] == DAY.isoformat()]
    assert {record["provisional"] for record in closed} == {False}
    add_pack(cast.acme, 9999, END - timedelta(days=1))
    add_point(cast.globex, END - timedelta(hours=1))
    assert sample_day(day=DAY, meter=measure) == 0
    record_sample(tenant_id=cast.acme.id, day=DAY, reading={"stored_bytes": 1})
    assert [record for record in read(api) if record["day"] == DAY.isoformat()] == closed


def test_the_database_refuses_to_change_or_delete_a_sample(in_may: None, cast: Cast) -> None:
    sample_day(day=DAY, meter=measure)
    for change in ("UPDATE tenants_usagesample SET value = 1", "DELETE FROM tenants_usagesample"):
        for alias in ("default", "operator"):
            with (
                connections[alias].cursor() as cursor,
                pytest.raises(Exception, match="permission denied"),
            ):
                cursor.execute(change)


def test_the_id_is_the_same_before_and_after_the_day_is_closed(
    in_may: None, cast: Cast, api: Client
) -> None:
    before = {record["id"]: record["provisional"] for record in read(api)}
    sample_missed_days(meter=measure)
    after = {record["id"]: record["provisional"] for record in read(api)}
    assert set(before) == set(after)
    assert set(before.values()) == {True}
    assert {UUID(str(found)).version for found in after} == {5}


def test_the_day_that_runs_is_measured_now_and_provisional(
    in_may: None, cast: Cast, api: Client
) -> None:
    sample_missed_days(meter=measure)
    today = DAY + timedelta(days=1)
    assert value(read(api), cast.acme, "stored_bytes", today) == 0
    add_pack(cast.acme, 77, END + SECOND)
    records = read(api)
    assert value(records, cast.acme, "stored_bytes", today) == 77
    assert value(records, cast.acme, "stored_bytes", DAY) == 0
    assert {record["day"] for record in records if record["provisional"]} == {today.isoformat()}


def test_every_day_since_the_tenant_exists_has_a_record_and_none_lies_ahead(
    in_may: None, cast: Cast, api: Client
) -> None:
    days = ["2026-05-11", "2026-05-12", "2026-05-13"]
    assert sorted({str(record["day"]) for record in read(api)}) == days
    assert len(read(api)) == 3 * 2 * 2
    assert sample_missed_days(meter=measure) == 2 * 2
    assert sample_missed_days(meter=measure) == 0
    assert len(read(api)) == 3 * 2 * 2
    assert read(api, period="2026-04") == []
    assert read(api, period="2026-06") == []


def test_a_days_missing_half_is_added_and_the_other_stays(
    in_may: None, cast: Cast, api: Client
) -> None:
    record_sample(tenant_id=cast.acme.id, day=DAY, reading={"stored_bytes": 5})
    sample_missed_days(meter=measure)
    records = read(api)
    assert value(records, cast.acme, "stored_bytes") == 5
    assert value(records, cast.acme, "protected_mailboxes") == 0
    assert value(records, cast.globex, "stored_bytes") == 0


def test_an_outage_over_a_months_end_is_made_up_for(in_may: None, cast: Cast, api: Client) -> None:
    with time_machine.travel(datetime(2026, 6, 9, 8, tzinfo=UTC), tick=False):
        sample_missed_days(meter=measure)
        assert len(read(api)) == 21 * 2 * 2
        assert not any(record["provisional"] for record in read(api))


def test_two_runs_at_once_take_each_sample_once(in_may: None, cast: Cast) -> None:
    barrier = Barrier(2)
    failures: list[BaseException] = []

    def run() -> None:
        try:
            barrier.wait()
            sample_missed_days(meter=measure)
        except BaseException as error:  # noqa: BLE001  (told to the test below)
            failures.append(error)
        finally:
            connections.close_all()

    threads = [Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert UsageSample.objects.using(OPERATOR).count() == 2 * 2 * 2


def test_a_day_that_has_not_ended_is_not_sampled(in_may: None, cast: Cast) -> None:
    with pytest.raises(DayNotOver):
        sample_day(day=DAY + timedelta(days=1), meter=measure)
    with pytest.raises(CommandError, match="has not ended"):
        call_command("sample_usage", day=DAY + timedelta(days=1))
    assert not UsageSample.objects.using(OPERATOR).exists()


def test_the_command_and_the_task_take_what_is_missing(
    in_may: None, cast: Cast, capsys: pytest.CaptureFixture[str]
) -> None:
    call_command("sample_usage", "--day", DAY.isoformat())
    assert "Sampled 2" in capsys.readouterr().out
    app.loader.import_default_modules()
    app.tasks["backups.sample_usage"].apply(throw=True)
    assert UsageSample.objects.using(OPERATOR).count() == 2 * 2 * 2
    call_command("sample_usage")
    assert "Nothing was missing" in capsys.readouterr().out


def test_the_schedule_samples_every_hour_and_does_not_pile_up() -> None:
    (entry,) = [e for e in app.conf.beat_schedule.values() if e["task"] == "backups.sample_usage"]
    assert entry["schedule"].minute == {20}
    assert len(entry["schedule"].hour) == 24
    assert entry["options"]["expires"] < 3600


@pytest.mark.parametrize("by", ["id", "slug"])
def test_one_tenants_usage_holds_nothing_of_another(
    in_may: None, cast: Cast, api: Client, by: str
) -> None:
    add_pack(cast.globex, 4711, END - SECOND)
    name = {"id": str(cast.acme.id), "slug": "acme"}[by]
    for _ in range(2):
        records = read(api, tenant=name)
        assert {record["tenant"] for record in records} == {str(cast.acme.id)}
        assert {record["value"] for record in records} == {0}
        sample_missed_days(meter=measure)


@pytest.mark.parametrize("limit", [1, 3, 4, 7])
@pytest.mark.parametrize("closed", [True, False])
def test_pages_are_whole_and_in_order(
    in_may: None, cast: Cast, api: Client, limit: int, closed: bool
) -> None:
    if closed:
        sample_missed_days(meter=measure)
    else:
        record_sample(tenant_id=cast.globex.id, day=DAY, reading={"stored_bytes": 5})
    keys = [(r["day"], r["tenant"], r["metric"]) for r in read(api, limit=limit)]
    assert keys == sorted(set(keys))
    assert len(keys) == 3 * 2 * 2


def test_pages_are_whole_while_days_are_closed_in_between(
    in_may: None, cast: Cast, api: Client
) -> None:
    asked: dict[str, object] = {"period": "2026-05", "limit": 5}
    first = api.get("/api/v1/usage", asked).json()
    sample_missed_days(meter=measure)
    rest = read(api, cursor=first["next"])
    ids = [record["id"] for record in first["results"] + rest]
    assert len(ids) == len(set(ids)) == 3 * 2 * 2


def test_a_cursor_belongs_to_its_period_and_tenant(in_may: None, cast: Cast, api: Client) -> None:
    cursor = api.get("/api/v1/usage?period=2026-05&limit=1").json()["next"]
    for other in ({"period": "2026-04"}, {"period": "2026-05", "tenant": "acme"}):
        answer = api.get("/api/v1/usage", {**other, "cursor": cursor})
        assert pointers(problem_of(answer, 400, "invalid-parameter")) == ["/query/cursor"]


def test_the_queries_of_a_page_do_not_grow_with_tenants(
    in_may: None, cast: Cast, api: Client
) -> None:
    def count() -> int:
        with (
            CaptureQueriesContext(connections["operator"]) as operator,
            CaptureQueriesContext(connections["default"]) as default,
        ):
            read(api, limit=500)
        assert len(default) == 0
        return len(operator)

    sample_missed_days(meter=measure)
    read(api)
    before = count()
    for number in range(5):
        tenant = Tenant(name=str(number), slug=f"t{number}")
        tenant.save(using=OPERATOR, force_insert=True)
    with connections["owner"].cursor() as cursor:
        cursor.execute("UPDATE tenants_tenant SET created_at = %s", [END - timedelta(days=2)])
    sample_missed_days(meter=measure)
    assert count() == before <= 15


def test_the_catalogue_names_every_metric_that_is_counted(
    in_may: None, cast: Cast, api: Client
) -> None:
    lines = api.get("/api/v1/usage/metrics").json()["results"]
    assert {line["name"]: line["unit"] for line in lines} == {
        record["metric"]: record["unit"] for record in read(api)
    }
    assert all(line["aggregation"] and line["description"] for line in lines)
    answer = api.get("/api/v1/usage/metrics?period=2026-05")
    assert pointers(problem_of(answer, 400, "invalid-parameter")) == ["/query/period"]


def test_a_mailbox_in_two_repositories_counts_once(
    in_may: None, cast: Cast, api: Client, tmp_path_factory: pytest.TempPathFactory
) -> None:
    from backups.infrastructure.services import allocate, create_repository, default_proxy

    place = create_repository(
        proxy=default_proxy(), name="Second", location=tmp_path_factory.mktemp("r") / "second"
    )
    share = allocate(tenant=cast.acme.tenant, repository=place, name="Second share")
    add_point(cast.acme, END - SECOND)
    with tenant_scope(cast.acme.id):
        mailbox = Mailbox.objects.get(pk=cast.acme.mailbox.pk)
        MailboxBackup.objects.create(
            mailbox=mailbox, allocation=share, current_at=END - timedelta(hours=2)
        )
    sample_day(day=DAY, meter=measure)
    assert value(read(api), cast.acme, "protected_mailboxes") == 1


def test_a_key_for_usage_alone_reads_usage(in_may: None, cast: Cast) -> None:
    from tenants.api.services import create_key

    key = create_key(name="Narrow", scopes=["usage:read"], expires_at=None)
    assert holder_of(key.text).get("/api/v1/usage?period=2026-05").status_code == 200

"""Somebody asks for an item at the moment in which it expires: he has it, or is told."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest
from django.db import connections, transaction

from backups.catalog.models import ItemVersion, MailboxBackup
from backups.infrastructure.keys import open_vault
from backups.jobs.models import Job
from backups.jobs.retention import Mode, Retention
from backups.restores import basket, services
from backups.restores.models import BasketItem, RestoreItem
from backups.restores.services import RestoreRefused
from backups.retention import applying
from backups.sessions.models import Session
from tenants.isolation.scope import APP, tenant_scope
from tests.engine.collected import mail_of_a_day, say_how_old
from tests.restores.conftest import Visit
from tests.sessions.threads import at_once

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "operator", "owner"])

Ask = Callable[[], object]


def ageing(visit: Visit) -> ItemVersion:
    """A mail that only a point holds which is too old by now."""
    world = visit.world
    world.run_job()
    item = mail_of_a_day(world)
    version = next(row for row in world.current().values() if row.item_id == item)
    mail_of_a_day(world, remove=item)
    say_how_old(world, 90, 60, 10)
    with tenant_scope(world.id):
        job = Job.objects.get(pk=world.job.pk)
        job.retention = Retention(Mode.POINTS, 30)
        job.save()
    return version


def asking(visit: Visit, version: ItemVersion, way: str) -> Ask:
    mailbox, person = visit.world.mailbox(), visit.person.pk

    def ask() -> object:
        with tenant_scope(visit.world.id):
            if way == "restore":
                return services.restore_items(mailbox=mailbox, version_ids=[version.pk])
            if way == "found":
                return basket.add_found(version_ids=[version.pk], person_id=person)
            return basket.add_to_basket(mailbox=mailbox, version_ids=[version.pk], person_id=person)

    return ask


def settling(visit: Visit) -> Callable[[], list[int]]:
    with tenant_scope(visit.world.id):
        backup = MailboxBackup.objects.get(mailbox=visit.world.mailbox())
        vault = open_vault(visit.world.repository.pk)
    return lambda: applying.settle(backup.pk, visit.world.id, vault)


def until_somebody_waits() -> None:
    """Go on once another connection waits for a row."""
    deadline = time.monotonic() + 30
    with connections["owner"].cursor() as cursor:
        while time.monotonic() < deadline:
            cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
            if cursor.fetchone()[0]:
                return
    raise AssertionError("nobody waits: the two do not exclude each other")


@pytest.mark.parametrize("way", ["restore", "basket", "found"])
def test_whoever_comes_too_late_is_told_that_the_item_is_not_kept(
    visit: Visit, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    version, decided = ageing(visit), threading.Event()
    ask, original = asking(visit, version, way), applying.due_to_expire

    def decide(*arguments: object) -> list[int]:
        points = original(*arguments)  # type: ignore[arg-type]
        decided.set()
        until_somebody_waits()
        return points

    def ask_then() -> object:
        assert decided.wait(timeout=30)
        return ask()

    monkeypatch.setattr(services, "PATIENCE_SECONDS", 60)
    monkeypatch.setattr(applying, "due_to_expire", decide)
    gone, answer = at_once(settling(visit), ask_then)
    assert gone == [1, 2]
    assert isinstance(answer, RestoreRefused)
    assert "not in the backups" in str(answer)
    with tenant_scope(visit.world.id):
        assert not ItemVersion.objects.filter(pk=version.pk).exists()
        assert not Session.objects.filter(kind="restore").exists()
        assert not BasketItem.objects.exists()


@pytest.mark.parametrize("way", ["restore", "basket", "found"])
def test_what_was_asked_for_first_does_not_break_what_expires(visit: Visit, way: str) -> None:
    """A restore keeps the item until it has ended; a basket does not, and loses it."""
    version, asked = ageing(visit), threading.Event()
    ask, settle = asking(visit, version, way), settling(visit)

    def ask_slowly() -> object:
        with tenant_scope(visit.world.id), transaction.atomic(using=APP):
            answer = ask()
            asked.set()
            until_somebody_waits()
            return answer

    def settle_then() -> object:
        assert asked.wait(timeout=30)
        return settle()

    answer, gone = at_once(ask_slowly, settle_then)
    assert not isinstance(answer, Exception)
    with tenant_scope(visit.world.id):
        assert BasketItem.objects.count() == 0
        assert RestoreItem.objects.count() == (way == "restore")
    if way == "restore":
        assert gone == []
        assert visit.world.work(answer).state == "success"  # type: ignore[arg-type]
    else:
        assert gone == [1, 2]


@pytest.mark.parametrize("way", ["restore", "basket", "found"])
def test_nobody_is_kept_waiting_while_the_rows_are_made_again(
    visit: Visit, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    version, held, answered = ageing(visit), threading.Event(), threading.Event()
    ask = asking(visit, version, way)
    monkeypatch.setattr(services, "PATIENCE_SECONDS", 1)

    def rebuild() -> None:
        with tenant_scope(visit.world.id):
            list(MailboxBackup.objects.select_for_update())
            held.set()
            assert answered.wait(timeout=60)

    def ask_then() -> object:
        assert held.wait(timeout=30)
        try:
            return ask()
        finally:
            answered.set()

    _, answer = at_once(rebuild, ask_then)
    assert isinstance(answer, RestoreRefused)
    assert "try again" in str(answer)
    assert not isinstance(at_once(ask)[0], Exception)

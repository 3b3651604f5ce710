"""Clocks that jump: what is too old is told by none that was seen to."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from django.db.models.functions import Now
from django.utils import timezone

from backups.catalog.models import MailboxBackup, RestorePoint
from backups.retention import applying, clock
from backups.retention.due import due_shares
from backups.retention.models import ClockWatch
from tenants.isolation.scope import OPERATOR, tenant_scope
from tests.engine.collected import expire, mail_of_a_day
from tests.engine.world import MARA, World

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "operator", "owner"])


def points(world: World) -> int:
    with tenant_scope(world.id):
        return RestorePoint.objects.filter(backup__mailbox__address=MARA).count()


def look(world: World) -> None:
    with tenant_scope(world.id):
        MailboxBackup.objects.update(retention_due_at=Now())
    applying.apply_due(world.repository.pk, world.id)


@pytest.fixture
def jumped(world: World) -> World:
    """Both clocks went ahead by 100 days since the last tick, so all points are too old."""
    world.run_job()
    mail_of_a_day(world)
    mail_of_a_day(world)
    seen = timezone.now() - timedelta(days=100)
    ClockWatch.objects.using(OPERATOR).create(seen_at=seen)
    expire(world, 103, 102, 101)
    return world


def test_nothing_expires_after_both_clocks_jumped_ahead(jumped: World) -> None:
    assert points(jumped) == 3, "the worker was there before the tick"
    clock.note_clock()
    clock.note_clock()
    look(jumped)
    assert points(jumped) == 3
    assert clock.held_up() is not None


def test_expiry_goes_on_when_an_operator_says_that_the_clock_is_right(
    jumped: World, caplog: pytest.LogCaptureFixture
) -> None:
    clock.note_clock()
    assert clock.say_it_is_right(by="olga@provider.example")
    assert "olga@provider.example says that the clock" in caplog.text
    assert clock.held_up() is None
    look(jumped)
    assert points(jumped) == 1
    assert not clock.say_it_is_right(by="olga@provider.example")


@pytest.mark.django_db(transaction=True, databases=["default", "operator", "owner"])
class TestWatch:
    START = datetime(2026, 11, 1, tzinfo=timezone.get_default_timezone())

    def at(self, monkeypatch: pytest.MonkeyPatch, days: float) -> bool:
        """Tick at that time; whether it is trusted then."""
        monkeypatch.setattr(clock, "_database_now", lambda: self.START + timedelta(days=days))
        clock.note_clock()
        return clock.is_trusted()

    def test_time_that_passes_is_trusted(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert clock.is_trusted(), "nobody has looked yet"
        assert [self.at(monkeypatch, day) for day in (0, 1, 2, 4)] == [True] * 4

    def test_a_jump_is_waited_out(self, monkeypatch: pytest.MonkeyPatch) -> None:
        days = (0, 90, 91, 92.9, 93.1, 94)
        trusted = [self.at(monkeypatch, day) for day in days]
        assert trusted == [True, False, False, False, True, True]

    def test_a_clock_that_is_put_right_is_trusted_at_once(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert [self.at(monkeypatch, day) for day in (0, 90, 0.1, 1)] == [True, False, True, True]

    def test_a_second_jump_is_waited_out_as_well(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert [self.at(monkeypatch, day) for day in (0, 90, 200, 202)] == [True] + [False] * 3


def test_a_look_that_was_put_off_by_a_clock_far_ahead_comes_all_the_same(world: World) -> None:
    world.run_job()
    with tenant_scope(world.id):
        MailboxBackup.objects.update(retention_due_at=Now() + timedelta(days=1))
    assert due_shares() == []
    with tenant_scope(world.id):
        MailboxBackup.objects.update(retention_due_at=Now() + timedelta(days=300))
    assert [share[0] for share in due_shares()] == [world.repository.pk]
    look(world)

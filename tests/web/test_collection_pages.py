"""Collection on the pages of the operator."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from backups.retention.models import ClockWatch, CollectionRun, CollectionState
from portal.web.live import STOP_POLLING
from tenants.isolation.scope import OPERATOR, tenant_scope
from tenants.models import AuditEvent
from tests.cast import CANARY, Cast
from tests.web.conftest import SignIn

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "operator", "owner"])


def address(cast: Cast, suffix: str = "") -> str:
    return f"/operator/allocations/{cast.acme.allocation.pk}/{suffix}"


@pytest.fixture
def ended(cast: Cast) -> Cast:
    """The last run was broken off."""
    with tenant_scope(cast.acme.id):
        CollectionRun.objects.update(
            state=CollectionState.FAILED,
            reason="9 of 10 packs would go: that is too much",
            is_too_much=True,
            remarks="kept: tenants/x/packs/00/pack: 2 damaged",
            ended_at="2026-11-20T12:00Z",
            deleted_bytes=3_000_000,
        )
    return cast


def newest(cast: Cast) -> CollectionRun:
    with tenant_scope(cast.acme.id):
        return CollectionRun.objects.latest("created_at")


def test_an_operator_sees_runs_with_their_reasons_and_of_one_tenant_only(
    ended: Cast, sign_in: SignIn
) -> None:
    page = sign_in(ended.operator).get(address(ended)).content.decode()
    assert "Broken off" in page
    assert "that is too much" in page
    assert "2 damaged" in page
    assert CANARY not in page


def test_a_share_without_runs_says_so(cast: Cast, sign_in: SignIn) -> None:
    with tenant_scope(cast.acme.id):
        CollectionRun.objects.all().delete()
    page = sign_in(cast.operator).get(address(cast)).content.decode()
    assert "Nothing was collected yet." in page
    assert "Collect now" in page


def test_an_operator_collects_pauses_resumes_and_stops(ended: Cast, sign_in: SignIn) -> None:
    client, path = sign_in(ended.operator), address(ended, "collection/")
    page = client.post(path, {"wish": "now"}, follow=True).content.decode()
    assert "is being collected now" in page
    assert "waits for the proxy" in page
    assert newest(ended).requested_by_id == ended.operator.pk
    assert b"is being collected already" in client.post(path, {"wish": "now"}, follow=True).content
    assert b"Resume" in client.post(path, {"wish": "pause"}, follow=True).content
    assert newest(ended).state == CollectionState.PAUSED
    client.post(path, {"wish": "resume"})
    assert newest(ended).state == CollectionState.QUEUED
    client.post(path, {"wish": "stop"})
    assert newest(ended).state == CollectionState.STOPPED
    assert b"nothing to change" in client.post(path, {"wish": "stop"}, follow=True).content
    assert b"no such collection" in client.post(path, {"wish": "burn"}, follow=True).content
    with tenant_scope(ended.acme.id):
        actions = AuditEvent.objects.filter(action__startswith="collection.")
        assert set(actions.values_list("action", flat=True)) == {
            "collection.requested",
            "collection.pause",
            "collection.resume",
            "collection.stop",
        }


def test_most_of_the_packs_go_only_when_the_operator_says_so(ended: Cast, sign_in: SignIn) -> None:
    client = sign_in(ended.operator)
    assert b"Collect all the same" in client.get(address(ended)).content
    client.post(address(ended, "collection/"), {"wish": "most"})
    assert newest(ended).may_take_most


def test_a_running_one_shows_how_far_it_is(cast: Cast, sign_in: SignIn) -> None:
    with tenant_scope(cast.acme.id):
        CollectionRun.objects.update(
            state=CollectionState.RUNNING,
            attempt=1,
            lease_until="2126-11-20T12:00Z",
            phase="deleting",
            phase_done=3,
            phase_total=1200,
        )
    client = sign_in(cast.operator)
    page = client.get(address(cast)).content.decode()
    assert "Deleting: 3 of 1,200 packs" in page
    assert 'hx-trigger="every 2s"' in page
    again = client.get(address(cast), HTTP_HX_REQUEST="true")
    assert again.status_code == 200
    assert "Deleting: 3 of 1,200 packs" in again.content.decode()
    assert "Quota in GB" not in again.content.decode(), "what is being typed stays"


@pytest.mark.parametrize("state", [CollectionState.PAUSED, CollectionState.FAILED])
def test_a_page_on_which_nothing_moves_does_not_ask_again(
    ended: Cast, sign_in: SignIn, state: str
) -> None:
    ended_at = "2026-11-20T12:00Z" if state == CollectionState.FAILED else None
    with tenant_scope(ended.acme.id):
        CollectionRun.objects.update(state=state, ended_at=ended_at)
    client = sign_in(ended.operator)
    assert "hx-trigger" not in client.get(address(ended)).content.decode()
    assert client.get(address(ended), HTTP_HX_REQUEST="true").status_code == STOP_POLLING


def test_an_operator_who_says_that_the_clock_is_right_is_in_the_log(
    cast: Cast, sign_in: SignIn, caplog: pytest.LogCaptureFixture
) -> None:
    jumped = datetime(2026, 8, 16, 2, 9, tzinfo=UTC)
    ClockWatch.objects.using(OPERATOR).create(
        seen_at=timezone.now(), came_from=jumped, waits_until=timezone.now() + timedelta(days=2)
    )
    client = sign_in(cast.operator)
    page = client.get("/operator/infrastructure/").content.decode()
    assert "2026-08-16 02:09" in page
    assert b"expire again" in client.post("/operator/clock/", follow=True).content
    assert f"{cast.operator.email} says that the clock" in caplog.text
    assert b"Nothing is held up" in client.post("/operator/clock/", follow=True).content


def test_a_tenant_sees_what_was_given_back(ended: Cast, sign_in: SignIn) -> None:
    with tenant_scope(ended.acme.id):
        CollectionRun.objects.update(state=CollectionState.DONE, reason="")
    page = sign_in(ended.admin).get("/t/acme/infrastructure/").content.decode()
    assert "given back" in page
    assert "2 damaged" not in page

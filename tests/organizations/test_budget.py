"""The budget of requests that workers on all hosts share."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connections, transaction

from backups.organizations.budget import BURST_SECONDS, SharedBudget
from tenants.isolation.scope import APP

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "operator", "owner"])

Open = Callable[..., SharedBudget]


@pytest.fixture
def budget(settings: Any) -> Open:
    settings.REQUESTS_PER_SECOND = 10

    def open_one(directory: str = "acme.example", application: str = "app") -> SharedBudget:
        return SharedBudget(
            server="https://graph.microsoft.com", application=application, directory=directory
        )

    return open_one


def pass_time(seconds: float) -> None:
    """As if everything noted had been noted so much earlier."""
    with connections[APP].cursor() as cursor:
        cursor.execute(
            "UPDATE backups_applicationbudget SET"
            " filled_at = filled_at - make_interval(secs => %(past)s),"
            " held_until = held_until - make_interval(secs => %(past)s)",
            {"past": seconds},
        )


def test_two_organizations_with_one_application_share_its_requests(budget: Open) -> None:
    acme, globex = budget("acme.example"), budget("globex.example")
    assert acme.take(60) == 0
    assert globex.take(40) == 0
    assert 3.5 < globex.take(40) <= 4
    assert budget(application="another").take(100) == 0


def test_a_budget_fills_again_and_never_above_its_span(budget: Open) -> None:
    acme = budget()
    assert acme.take(100) == 0
    pass_time(3)
    assert acme.take(30) == 0
    assert acme.take(10) > 0
    pass_time(3600)
    assert acme.take(10 * BURST_SECONDS) == 0
    assert acme.take(10) > 0


def test_a_clock_that_was_put_back_takes_nothing_away(budget: Open) -> None:
    acme = budget()
    assert acme.take(50) == 0
    pass_time(-3600)
    assert acme.take(40) == 0


def test_a_lot_that_is_larger_than_the_span_still_passes(budget: Open) -> None:
    assert budget().take(500) == 0


def test_a_wait_holds_one_organization_on_every_host_and_is_never_shortened(budget: Open) -> None:
    acme, elsewhere, globex = budget(), budget(), budget("globex.example")
    acme.hold(30)
    acme.hold(5)
    assert 25 < elsewhere.take(1) <= 30
    assert globex.take(1) == 0
    pass_time(31)
    assert elsewhere.take(1) == 0


def test_what_is_taken_counts_although_the_transaction_around_it_is_undone(budget: Open) -> None:
    with transaction.atomic(using=APP):
        assert budget().take(100) == 0
        transaction.set_rollback(True, using=APP)
    assert budget().take(100) > 5

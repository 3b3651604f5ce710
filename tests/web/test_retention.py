"""Legal holds on a mailbox's page, and what a job's form says a retention would remove."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from backups.catalog.models import ItemVersion, RestorePoint
from backups.retention.models import LegalHold
from tenants.isolation.scope import tenant_scope
from tests.cast import Cast
from tests.web.conftest import SignIn

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "operator", "owner"])


def mailbox(cast: Cast) -> str:
    return f"/t/acme/mailboxes/{cast.acme.mailbox.pk}/"


def in_force(cast: Cast) -> list[str]:
    with tenant_scope(cast.acme.id):
        return [hold.reason for hold in LegalHold.objects.in_force()]


def preview(cast: Cast, sign_in: SignIn, **values: str) -> str:
    query = {
        "job": str(cast.acme.job.pk),
        "retention_mode": "points",
        "retention_count": "30",
        "retention_unit": "days",
        **values,
    }
    page = sign_in(cast.admin).get("/t/acme/jobs/retention/", query)
    return " ".join(page.content.decode().split())


def an_old_point(cast: Cast) -> None:
    """A point of 90 days ago, before the one there is, that alone holds Acme's item."""
    with tenant_scope(cast.acme.id):
        LegalHold.objects.update(released_at=timezone.now())
        backup = cast.acme.backup
        RestorePoint.objects.filter(pk=cast.acme.point.pk).update(
            taken_at=timezone.now() - timedelta(days=90)
        )
        RestorePoint.objects.create(
            backup=backup, sequence=2, taken_at=timezone.now(), items=0, bytes=0
        )
        ItemVersion.objects.filter(backup=backup).update(last=2)


class TestLegalHold:
    def test_a_hold_is_placed_and_shown_with_who_and_why(self, cast: Cast, sign_in: SignIn) -> None:
        client = sign_in(cast.admin)
        client.post(f"{mailbox(cast)}hold/", {"reason": "Case 4711"})
        assert in_force(cast) == ["Case 12", "Case 4711"]
        page = client.get(mailbox(cast)).content.decode()
        assert "nothing of this mailbox expires" in page
        assert "Case 4711" in page
        assert "by Admin" in page

    def test_it_is_released_with_a_reason_only(self, cast: Cast, sign_in: SignIn) -> None:
        client = sign_in(cast.admin)
        address = f"{mailbox(cast)}holds/{cast.acme.hold.pk}/release/"
        page = client.post(address, {"reason": " "}, follow=True).content.decode()
        assert "Give a reason" in page
        assert in_force(cast) == ["Case 12"]
        page = client.post(address, {"reason": "closed"}, follow=True).content.decode()
        assert "The hold is released." in page
        assert in_force(cast) == []
        page = client.post(address, {"reason": "closed"}, follow=True).content.decode()
        assert "released already" in page

    def test_who_restores_sees_the_hold_and_cannot_change_it(
        self, cast: Cast, sign_in: SignIn
    ) -> None:
        client = sign_in(cast.restorer)
        page = client.get(mailbox(cast)).content.decode()
        assert "Case 12" in page
        assert "hold-reason" not in page
        assert client.post(f"{mailbox(cast)}hold/", {"reason": "mine"}).status_code == 403


class TestPreview:
    def test_it_counts_what_each_mailbox_would_lose(self, cast: Cast, sign_in: SignIn) -> None:
        an_old_point(cast)
        page = preview(cast, sign_in)
        assert "<strong>1</strong> restore point and <strong>1</strong> item version" in page
        assert "Mara: 1 restore point, 1 item version, 4" in page

    @pytest.mark.parametrize(
        "values",
        [
            {"retention_count": "4", "retention_unit": "months"},
            {"retention_mode": "items"},
            {"retention_mode": "forever"},
        ],
    )
    def test_what_removes_nothing_says_so(
        self, cast: Cast, sign_in: SignIn, values: dict[str, str]
    ) -> None:
        an_old_point(cast)
        assert "removes nothing" in preview(cast, sign_in, **values)

    def test_a_mailbox_under_hold_loses_nothing(self, cast: Cast, sign_in: SignIn) -> None:
        an_old_point(cast)
        with tenant_scope(cast.acme.id):
            LegalHold.objects.update(released_at=None)
        page = preview(cast, sign_in)
        assert "removes nothing" in page
        assert "1 mailbox under legal hold keeps everything" in page

    @pytest.mark.parametrize(
        "values", [{"job": "x"}, {"retention_count": "0"}, {"retention_count": "many"}]
    )
    def test_nonsense_says_nothing(
        self, cast: Cast, sign_in: SignIn, values: dict[str, str]
    ) -> None:
        an_old_point(cast)
        assert preview(cast, sign_in, **values) == ""

    def test_the_job_of_another_tenant_says_nothing(self, cast: Cast, sign_in: SignIn) -> None:
        assert preview(cast, sign_in, job=str(cast.globex.job.pk)) == ""

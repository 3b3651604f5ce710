"""Creating, editing and deleting a job through the pages."""

from __future__ import annotations

from datetime import time

import pytest

from backups.jobs.models import Coverage, ExcludedMailbox, Job
from backups.jobs.retention import Mode, Retention, Unit
from backups.organizations.models import Mailbox
from backups.sessions.models import Session, State
from tenants.isolation.scope import tenant_scope
from tests.cast import Cast
from tests.web.conftest import SignIn

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "operator", "owner"])

NEW = "/t/acme/jobs/new/"


def form(cast: Cast, **values: object) -> dict[str, object]:
    return {
        "name": "Night job",
        "allocation": cast.acme.allocation.pk,
        "scope": "organization",
        "schedule": "manual",
        **values,
    }


def add_mailbox(cast: Cast, name: str) -> Mailbox:
    with tenant_scope(cast.acme.id):
        return Mailbox.objects.create(
            organization=cast.acme.organization,
            source_id=name,
            address=f"{name}@acme.example",
            name=name.title(),
            kind="user",
        )


def job_of(cast: Cast, name: str = "Night job") -> Job | None:
    with tenant_scope(cast.acme.id):
        return Job.objects.filter(name=name).first()


def covered(cast: Cast, job: Job) -> set[str]:
    with tenant_scope(cast.acme.id):
        rows = Coverage.objects.filter(job=job).select_related("mailbox")
        return {row.mailbox.address for row in rows}


def beside(page: str, field: str) -> str:
    return page.partition(f'id="id_{field}_error"')[2].partition("</div></div>")[0][:400]


def test_a_job_of_everyone_leaves_out_what_it_should(cast: Cast, sign_in: SignIn) -> None:
    jun, ray = add_mailbox(cast, "jun"), add_mailbox(cast, "ray")
    values = form(
        cast,
        excluded=[str(ray.pk)],
        excluded_folders="Junk Email\n\n  News \nNews\n",
        schedule="daily",
        daily_at="22:15",
        interval_minutes="nonsense that is not shown",
        retention_mode="points",
        retention_count="18",
        retention_unit="months",
    )
    response = sign_in(cast.admin).post(NEW, values, follow=True)
    assert b"Night job is ready." in response.content
    job = job_of(cast)
    assert job is not None
    assert covered(cast, job) == {jun.address}
    assert (job.daily_at, job.interval_minutes) == (time(22, 15), None)
    assert job.retention == Retention(Mode.POINTS, 18, Unit.MONTHS)
    assert job.excluded_folders == ["Junk Email", "News"]
    assert job.next_run_at is not None
    with tenant_scope(cast.acme.id):
        left_out = ExcludedMailbox.objects.filter(job=job).values_list("mailbox", flat=True)
        assert list(left_out) == [ray.pk]


def test_a_mailbox_of_another_job_is_shown_with_its_name_and_refused(
    cast: Cast, sign_in: SignIn
) -> None:
    client = sign_in(cast.admin)
    assert "protected by Acme job in Allocation of Acme" in client.get(NEW).content.decode()
    values = form(cast, scope="mailboxes", mailboxes=[str(cast.acme.mailbox.pk)])
    page = client.post(NEW, values).content.decode()
    assert "is protected by Acme job in this repository already" in beside(page, "mailboxes")
    assert f'value="{cast.acme.mailbox.pk}" checked' in page
    assert job_of(cast) is None


@pytest.mark.parametrize(
    ("field", "values", "words"),
    [
        ("name", {"name": ""}, "This field is required."),
        ("name", {"name": "n" * 300}, "at most 200"),
        ("name", {"name": "Acme job"}, "has this name already"),
        ("allocation", {"allocation": ""}, "This field is required."),
        ("allocation", {"allocation": "nonsense"}, "not a valid"),
        ("scope", {"scope": "galaxy"}, "valid choice"),
        ("mailboxes", {"scope": "mailboxes"}, "Choose at least one mailbox"),
        ("mailboxes", {"scope": "mailboxes", "mailboxes": ["x"]}, "not a valid"),
        ("schedule", {"schedule": "hourly"}, "valid choice"),
        ("interval_minutes", {"schedule": "interval"}, "how many minutes"),
        ("interval_minutes", {"schedule": "interval", "interval_minutes": "4"}, "greater than"),
        ("interval_minutes", {"schedule": "interval", "interval_minutes": "9" * 30}, "less than"),
        ("daily_at", {"schedule": "daily", "daily_at": "25:00"}, "valid time"),
        ("daily_at", {"schedule": "daily"}, "time of day"),
        ("retention_count", {"retention_mode": "points", "retention_count": "0"}, "greater than"),
        ("retention_count", {"retention_mode": "items", "retention_count": "many"}, "whole number"),
        ("retention_count", {"retention_mode": "items"}, "Write how many days"),
        (
            "retention_count",
            {"retention_mode": "points", "retention_count": "101", "retention_unit": "years"},
            "1 to 100",
        ),
        ("retention_mode", {"retention_mode": "some"}, "valid choice"),
        ("retention_unit", {"retention_unit": "moons"}, "valid choice"),
        ("excluded_folders", {"excluded_folders": "f" * 300}, "at most 255"),
        ("excluded_folders", {"excluded_folders": "f\n" * 15_000}, "at most 20000"),
    ],
)
def test_a_wrong_value_is_said_beside_its_field_and_what_was_typed_is_kept(
    cast: Cast, sign_in: SignIn, field: str, values: dict[str, object], words: str
) -> None:
    typed = form(cast, **{"excluded_folders": "Typed folder", **values})
    page = sign_in(cast.admin).post(NEW, typed).content.decode()
    assert words in page
    assert f'id="id_{field}_error"' in page
    assert "Typed folder" in page or "excluded_folders" in values
    assert job_of(cast) is None


def test_foreign_allocations_and_mailboxes_are_no_choice(cast: Cast, sign_in: SignIn) -> None:
    client = sign_in(cast.admin)
    for field, value in (
        ("allocation", cast.globex.allocation.pk),
        ("mailboxes", cast.globex.mailbox.pk),
        ("excluded", cast.globex.mailbox.pk),
    ):
        page = client.post(NEW, form(cast, **{field: str(value)})).content.decode()
        assert "valid choice" in page, field
        assert job_of(cast) is None
    foreign = f"{NEW}?organization={cast.globex.organization.pk}"
    assert client.get(foreign).status_code == 404
    assert client.get(f"{NEW}?organization=nonsense").status_code == 200


def test_a_job_changes_its_mailboxes_and_schedule(cast: Cast, sign_in: SignIn) -> None:
    jun, ray = add_mailbox(cast, "jun"), add_mailbox(cast, "ray")
    client = sign_in(cast.admin)
    client.post(NEW, form(cast, scope="mailboxes", mailboxes=[str(jun.pk)]))
    job = job_of(cast)
    assert job is not None
    path = f"/t/acme/jobs/{job.pk}/edit/"
    assert f'value="{jun.pk}" checked' in client.get(path).content.decode()
    changed = form(
        cast,
        name="Day job",
        scope="mailboxes",
        mailboxes=[str(ray.pk)],
        schedule="interval",
        interval_minutes="15",
    )
    assert b"Day job is saved" in client.post(path, changed, follow=True).content
    job = job_of(cast, "Day job")
    assert job is not None
    assert covered(cast, job) == {ray.address}
    assert (job.interval_minutes, job.next_run_at is None) == (15, False)
    everyone = form(cast, name="Day job", excluded=[str(ray.pk)])
    client.post(path, everyone)
    assert covered(cast, job) == {jun.address}


def test_a_deleted_job_leaves_backups_and_history(cast: Cast, sign_in: SignIn) -> None:
    client, path = sign_in(cast.admin), f"/t/acme/jobs/{cast.acme.job.pk}/remove/"
    with tenant_scope(cast.acme.id):
        Session.objects.filter(pk=cast.acme.session.pk).update(state=State.RUNNING, ended_at=None)
    assert b"Stop it first" in client.post(path, follow=True).content
    with tenant_scope(cast.acme.id):
        session = Session.objects.get(pk=cast.acme.session.pk)
        session.state, session.ended_at = State.SUCCESS, session.created_at
        session.save()
    assert b"its backups stay" in client.post(path, follow=True).content
    assert job_of(cast, "Acme job") is None
    page = client.get(f"/t/acme/sessions/{session.pk}/")
    assert b"By the job Acme job, which was deleted since." in page.content
    mailbox = client.get(f"/t/acme/mailboxes/{cast.acme.mailbox.pk}/")
    assert cast.acme.item.subject.encode() in mailbox.content


def test_the_preview_counts_what_the_form_selects(cast: Cast, sign_in: SignIn) -> None:
    jun = add_mailbox(cast, "jun")
    client = sign_in(cast.admin)
    query = {**form(cast), "organization": str(cast.acme.organization.pk)}
    page = client.get("/t/acme/jobs/preview/", query).content.decode()
    assert "<strong>1</strong> mailbox now: Jun." in page
    assert "1 already protected in this repository by another job" in page
    query |= {"excluded": [str(jun.pk)]}
    assert b"<strong>0</strong>" in client.get("/t/acme/jobs/preview/", query).content
    for nonsense in ({}, {"organization": "x"}, {"organization": str(cast.globex.organization.pk)}):
        assert client.get("/t/acme/jobs/preview/", nonsense).content.strip() == b""


def test_a_search_finds_attachments_by_name(cast: Cast, sign_in: SignIn) -> None:
    client = sign_in(cast.restorer)
    path = f"/t/acme/mailboxes/{cast.acme.mailbox.pk}/"
    assert cast.acme.item.subject.encode() in client.get(path, {"q": "FIGURES .xlsx"}).content
    assert b"Nothing found" in client.get(path, {"q": "figures.docx"}).content

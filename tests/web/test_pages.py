"""What the pages show, through HTTP."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.conf import settings
from django.template.loader import render_to_string
from django.test import Client

from backups.jobs.models import Job
from backups.sessions.models import Session, State
from tenants.isolation.scope import tenant_scope
from tests.cast import PASSWORD, Cast
from tests.web.conftest import SignIn

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "operator", "owner"])

HTMX = {"HX-Request": "true"}


def running_session(cast: Cast) -> Session:
    with tenant_scope(cast.acme.id):
        session = Session.objects.get(pk=cast.acme.session.pk)
        session.state, session.ended_at = State.RUNNING, None
        session.save()
    return session


def test_a_person_signs_in_and_arrives_at_the_organizations_of_the_only_tenant(cast: Cast) -> None:
    client = Client()
    response = client.post(
        "/account/login/", {"login": cast.admin.email, "password": PASSWORD}, follow=True
    )
    assert response.redirect_chain[-1][0] == "/t/acme/organizations/"
    assert b"Acme Online" in response.content


def test_a_wrong_password_is_said_beside_the_form_and_the_address_is_kept(cast: Cast) -> None:
    response = Client().post("/account/login/", {"login": cast.admin.email, "password": "wrong"})
    page = response.content.decode()
    assert 'role="alert"' in page
    assert f'value="{cast.admin.email}"' in page


def test_nobody_can_sign_up(cast: Cast) -> None:
    response = Client().get("/account/signup/")
    assert b"by invitation" in response.content


def test_the_operator_arrives_at_the_operators_pages(cast: Cast, sign_in: SignIn) -> None:
    response = sign_in(cast.operator).get("/", follow=True)
    assert response.redirect_chain[-1][0] == "/operator/organizations/"


def test_organizations_show_their_jobs_and_how_much_is_protected(
    cast: Cast, sign_in: SignIn
) -> None:
    page = sign_in(cast.admin).get("/t/acme/organizations/").content.decode()
    assert "Acme job" in page
    assert "<strong>1</strong> of 1 mailbox protected" in page
    assert "By hand" in page


def test_the_tenant_sees_its_allocation_but_neither_path_nor_host(
    cast: Cast, sign_in: SignIn
) -> None:
    page = sign_in(cast.admin).get("/t/acme/infrastructure/").content.decode()
    assert "Allocation of Acme" in page
    assert "Default proxy" in page
    assert cast.repository.location not in page
    assert cast.repository.name not in page


def test_a_reader_is_offered_no_button_that_would_be_refused(cast: Cast, sign_in: SignIn) -> None:
    client = sign_in(cast.reader)
    for path in ("organizations/", f"jobs/{cast.acme.job.pk}/"):
        page = client.get(f"/t/acme/{path}").content.decode()
        assert "/start/" not in page
        assert "/disable/" not in page
    organization = client.get(f"/t/acme/organizations/{cast.acme.organization.pk}/")
    assert b"/mailboxes/" not in organization.content


def test_a_running_session_is_polled_and_a_finished_one_stops_the_polling(
    cast: Cast, sign_in: SignIn
) -> None:
    session = running_session(cast)
    client, path = sign_in(cast.admin), f"/t/acme/sessions/{session.pk}/"
    assert b"every 2s" in client.get(path).content
    fragment = client.get(path, headers=HTMX)
    assert fragment.status_code == 200
    assert b"<html" not in fragment.content
    with tenant_scope(cast.acme.id):
        Session.objects.filter(pk=session.pk).update(
            state=State.SUCCESS, ended_at=session.created_at
        )
    last = client.get(path, headers=HTMX)
    assert last.status_code == 286
    assert b"every 2s" not in last.content


def test_the_log_names_mailbox_item_and_reason(cast: Cast, sign_in: SignIn) -> None:
    page = sign_in(cast.reader).get(f"/t/acme/sessions/{cast.acme.session.pk}/").content.decode()
    assert cast.acme.mailbox.address in page
    assert "AAMk-item" in page
    assert "Not saved, it will be tried again" in page


def test_the_items_of_a_restore_are_hidden_from_who_may_not_see_content(
    cast: Cast, sign_in: SignIn
) -> None:
    with tenant_scope(cast.acme.id):
        restore = Session.objects.get(kind="restore")
    path = f"/t/acme/sessions/{restore.pk}/"
    assert cast.acme.item.subject in sign_in(cast.restorer).get(path).content.decode()
    assert cast.acme.item.subject not in sign_in(cast.reader).get(path).content.decode()


def test_a_job_is_switched_off_and_on(cast: Cast, sign_in: SignIn) -> None:
    client, job = sign_in(cast.admin), cast.acme.job
    for action, enabled in (("disable", False), ("enable", True)):
        response = client.post(f"/t/acme/jobs/{job.pk}/{action}/", follow=True)
        assert response.status_code == 200
        with tenant_scope(cast.acme.id):
            assert Job.objects.get(pk=job.pk).enabled is enabled


def test_a_job_that_runs_is_not_started_twice(cast: Cast, sign_in: SignIn) -> None:
    client, path = sign_in(cast.admin), f"/t/acme/jobs/{cast.acme.job.pk}/start/"
    first = client.post(path)
    assert "/sessions/" in first.headers["Location"]
    second = client.post(path, follow=True)
    assert b"is running already" in second.content
    with tenant_scope(cast.acme.id):
        assert Session.objects.open().count() == 1


@pytest.mark.parametrize(
    "query",
    ["page=0", "page=x", "sort=nonsense", "kind=x&is_protected=y&state=z", "q=%00", "q=%F0"],
)
def test_nonsense_in_a_lists_address_breaks_nothing(
    cast: Cast, sign_in: SignIn, query: str
) -> None:
    client = sign_in(cast.admin)
    for path in (f"organizations/{cast.acme.organization.pk}/", "sessions/"):
        assert client.get(f"/t/acme/{path}?{query}").status_code == 200


def test_a_list_is_filtered_by_what_the_address_says(cast: Cast, sign_in: SignIn) -> None:
    client, path = sign_in(cast.admin), f"/t/acme/organizations/{cast.acme.organization.pk}/"
    assert cast.acme.mailbox.address.encode() in client.get(path, {"q": "MARA"}).content
    assert b"No mailbox matches" in client.get(path, {"q": "nobody"}).content
    assert b"No mailbox matches" in client.get(path, {"is_protected": "False"}).content


@pytest.mark.parametrize("path", ["/nothing/", "/t/nobody/organizations/", "/t/acme/jobs/x/"])
def test_a_page_that_is_not_there_has_our_look(cast: Cast, sign_in: SignIn, path: str) -> None:
    response = sign_in(cast.admin).get(path)
    assert response.status_code == 404
    assert b"Nothing here" in response.content


def test_the_page_for_a_broken_server_needs_nothing_but_itself() -> None:
    page = render_to_string("500.html")
    assert "Something broke" in page
    assert "/static/css/error.css" in page


def test_every_page_forbids_inline_code(cast: Cast, sign_in: SignIn) -> None:
    for path in ("/account/login/", "/t/acme/organizations/", "/nothing/"):
        policy = sign_in(cast.admin).get(path, follow=True).headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy


def test_no_template_holds_inline_script_or_style() -> None:
    # Mail programs read no stylesheet; those templates are never a page of the portal.
    pages = Path(settings.BASE_DIR, "templates").rglob("*.html")
    for template in (page for page in pages if page.parent.name != "mail"):
        text = template.read_text("utf-8")
        for forbidden in (" style=", "<style", "onclick=", "onchange=", "onsubmit=", "javascript:"):
            assert forbidden not in text, f"{template}: {forbidden}"
        assert text.count("<script") == text.count("<script src=") + text.count(
            '<script type="module" src='
        ), template

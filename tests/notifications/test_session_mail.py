"""What a tenant's addresses read when a session has ended."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.conf import LazySettings

from backups.sessions import notices
from backups.sessions.models import Kind, Session, SessionLog, State, Task
from backups.sessions.services import close_when_done, fail_session, log
from tenants.isolation.scope import tenant_scope
from tenants.models import OutboxMessage, Recipient
from tenants.notifications.recipients import Events, add_recipient
from tenants.notifications.sender import send_waiting
from tests.cast import CANARY, Cast, Company
from tests.notifications.conftest import parsed

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "operator", "owner"])


def begin(company: Company, *, kind: Kind = Kind.BACKUP) -> Session:
    return Session.objects.create(
        kind=kind,
        job=company.job if kind == Kind.BACKUP else None,
        organization=company.organization,
        state=State.RUNNING,
        mailboxes_total=1,
        items_new=1234,
        items_failed=2,
    )


def add_task(company: Company, session: Session, state: State, reason: str = "") -> Task:
    return Task.objects.create(
        session=session,
        mailbox=company.mailbox,
        backup=company.backup,
        repository=company.allocation.repository,
        queue="proxy_000000000000",
        kind=session.kind,
        state=state,
        reason=reason,
    )


def end(company: Company, state: State, reason: str = "", *, kind: Kind = Kind.BACKUP) -> Session:
    with tenant_scope(company.id):
        session = begin(company, kind=kind)
        add_task(company, session, state, reason)
        close_when_done(session.pk)
    return session


def outbox() -> list[OutboxMessage]:
    return list(OutboxMessage.objects.using("operator").order_by("to"))


def hears_of(company: Company, **events: bool) -> None:
    with tenant_scope(company.id):
        Recipient.objects.update(**events)


def test_a_backup_that_went_well_is_told_with_its_counts_and_a_link(
    cast: Cast, settings: LazySettings
) -> None:
    settings.PUBLIC_URL = "https://backup.provider.example"
    session = end(cast.acme, State.SUCCESS)
    (message,) = outbox()
    assert message.to == "backup@acme.example"
    assert message.tenant_id == cast.acme.id
    assert message.subject == "[Acme] Backup by Acme job succeeded"
    link = f"https://backup.provider.example/t/acme/sessions/{session.pk}/"
    for part in (message.text, message.html):
        assert "Backup by Acme job" in part
        assert "1,234" in part
        assert "1 of 1" in part
        assert link in part
        assert "What did not go well" not in part


def test_what_failed_is_named_with_its_reason_and_nothing_out_of_a_mailbox(cast: Cast) -> None:
    with tenant_scope(cast.acme.id):
        session = begin(cast.acme)
        add_task(cast.acme, session, State.WARNING, "2 items could not be saved.")
        for number in range(2):
            log(
                session.pk,
                SessionLog.Level.WARNING,
                "Not saved, it will be tried again: damaged <stream> (folder Private matters)",
                mailbox=cast.acme.mailbox.address,
                item_id=f"AAMk-{number}",
            )
        log(session.pk, SessionLog.Level.INFO, "Nothing to see")
        close_when_done(session.pk)
    (message,) = outbox()
    assert message.subject == "[Acme] Backup by Acme job ended with warnings"
    assert "- mara@acme.example: 2 items could not be saved." in message.text
    line = "- mara@acme.example: Not saved, it will be tried again: damaged <stream> (2 times)"
    assert line in message.text
    assert "damaged &lt;stream&gt;" in message.html
    for secret in ("Private matters", "AAMk", "Nothing to see", cast.acme.item.subject):
        assert secret not in message.text + message.html


def test_a_session_that_could_not_begin_says_why(cast: Cast) -> None:
    with tenant_scope(cast.acme.id):
        session = begin(cast.acme)
        fail_session(session.pk, "The organization could not be reached: no answer")
    (message,) = outbox()
    assert message.subject == "[Acme] Backup by Acme job failed"
    assert message.text.count("The organization could not be reached: no answer") == 1


def test_a_restore_is_told_with_what_came_back(cast: Cast) -> None:
    end(cast.acme, State.FAILED, "None of the 3 items could be restored.", kind=Kind.RESTORE)
    (message,) = outbox()
    assert message.subject == "[Acme] Restore to mara@acme.example failed"
    assert "Items restored: 1,234" in message.text
    assert "Not restored: 2" in message.text
    assert "None of the 3 items could be restored." in message.text


def test_a_stopped_session_is_told_to_those_who_hear_of_warnings(cast: Cast) -> None:
    hears_of(cast.acme, on_success=False, on_failure=False)
    end(cast.acme, State.STOPPED, "Stopped by request; what was stored stays.")
    with tenant_scope(cast.acme.id):
        assert Session.objects.newest_first()[0].state == State.WARNING
    (message,) = outbox()
    assert "Stopped by request" in message.text


@pytest.mark.parametrize(
    ("state", "event"),
    [
        (State.SUCCESS, "on_success"),
        (State.WARNING, "on_warning"),
        (State.FAILED, "on_failure"),
    ],
)
def test_an_address_hears_only_of_the_results_it_chose(
    cast: Cast, state: State, event: str
) -> None:
    hears_of(cast.acme, on_success=False, on_warning=False, on_failure=False)
    end(cast.acme, state, "why")
    assert outbox() == []
    hears_of(cast.acme, **{event: True})
    end(cast.acme, state, "why")
    assert len(outbox()) == 1


def test_nothing_is_told_before_the_session_has_ended(cast: Cast) -> None:
    with tenant_scope(cast.acme.id):
        session = begin(cast.acme)
        add_task(cast.acme, session, State.QUEUED, "It will be tried again.")
        close_when_done(session.pk)
    assert outbox() == []


def test_a_session_whose_end_is_rolled_back_is_not_told(cast: Cast, mail_folder: Path) -> None:
    with tenant_scope(cast.acme.id):
        session = begin(cast.acme)
        add_task(cast.acme, session, State.SUCCESS)

    def end_and_fail() -> None:
        close_when_done(session.pk)
        assert OutboxMessage.objects.exists()
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), tenant_scope(cast.acme.id):
        end_and_fail()
    send_waiting()
    assert outbox() == []
    assert not mail_folder.exists()
    with tenant_scope(cast.acme.id):
        assert Session.objects.get(pk=session.pk).is_open


def test_every_address_of_the_tenant_hears_and_none_of_anothers(
    cast: Cast, mail_folder: Path
) -> None:
    with tenant_scope(cast.acme.id):
        add_recipient(email="Second@Acme.example", events=Events(True, True, True))
    end(cast.acme, State.SUCCESS)
    end(cast.globex, State.SUCCESS)
    send_waiting()
    mails = [parsed(file.read_bytes()) for file in mail_folder.glob("*.eml")]
    told = {str(mail["To"]): mail.as_string() for mail in mails}
    assert set(told) == {
        "backup@acme.example",
        "second@acme.example",
        f"backup{CANARY}@globex.example",
    }
    for address in ("backup@acme.example", "second@acme.example"):
        assert CANARY not in told[address]
        assert "Globex" not in told[address]
    assert "Acme" not in told[f"backup{CANARY}@globex.example"]


def test_a_long_list_of_problems_ends_with_how_many_more(cast: Cast) -> None:
    with tenant_scope(cast.acme.id):
        session = begin(cast.acme)
        add_task(cast.acme, session, State.WARNING, "Much went wrong.")
        for number in range(notices.MOST_PROBLEMS + 5):
            log(session.pk, SessionLog.Level.WARNING, f"Reason {number}", mailbox="mara@x.example")
        close_when_done(session.pk)
    (message,) = outbox()
    assert message.text.count("\n- ") == notices.MOST_PROBLEMS
    assert "and 6 more" in message.text
    assert "and 6 more" in message.html


def test_a_name_with_a_line_break_cannot_add_a_header(cast: Cast, mail_folder: Path) -> None:
    with tenant_scope(cast.acme.id):
        cast.acme.job.name = "Everyone\r\nBcc: spy@evil.example"
        cast.acme.job.save()
    end(cast.acme, State.SUCCESS)
    send_waiting()
    (file,) = mail_folder.iterdir()
    mail = parsed(file.read_bytes())
    assert mail["Bcc"] is None
    assert "Bcc: spy@evil.example" in mail["Subject"]


def test_the_html_loads_nothing_and_escapes_what_it_shows(cast: Cast) -> None:
    with tenant_scope(cast.acme.id):
        cast.acme.job.name = "<script>alert(1)</script>"
        cast.acme.job.save()
    end(cast.acme, State.FAILED, "<img src=x>")
    (message,) = outbox()
    for tag in ("<script", "<img", "<link", "<style", "url(", "src="):
        assert tag not in message.html.replace("&lt;img src=x&gt;", "")
    assert "<script>alert(1)</script>" in message.text


def test_a_mail_that_cannot_be_written_does_not_keep_a_session_open(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*args: object) -> str:
        raise RuntimeError("nobody thought of this")

    monkeypatch.setattr(notices, "render_to_string", broken)
    session = end(cast.acme, State.SUCCESS)
    assert outbox() == []
    with tenant_scope(cast.acme.id):
        assert Session.objects.get(pk=session.pk).state == State.SUCCESS

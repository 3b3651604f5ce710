"""The pages of e-mail: a tenant's recipients; the provider's settings and outbox."""

from __future__ import annotations

from pathlib import Path
from uuid import uuid4

import pytest
from django.test import Client

from tenants.isolation.scope import tenant_scope
from tenants.models import AuditEvent, EmailSettings, OutboxMessage, Recipient
from tenants.notifications.sender import send_waiting
from tenants.notifications.settings import email_settings, password_of
from tests.cast import Cast
from tests.notifications.conftest import MailServer, SignIn, send_by, state_of, write

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "operator", "owner"])

NOTIFICATIONS = "/t/acme/notifications/"
EMAIL = "/operator/email/"
SMTP = {
    "delivery": "smtp",
    "sender_name": "Acme's provider",
    "sender": "backup@provider.example",
    "host": "mail.provider.example",
    "port": "587",
    "security": "starttls",
    "username": "stowage",
    "password": "the password itself",
}
HTMX = {"HX-Request": "true"}


def recipients() -> dict[str, tuple[bool, bool, bool]]:
    return {
        row.email: (row.on_success, row.on_warning, row.on_failure)
        for row in Recipient.objects.using("operator").filter(tenant__slug="acme")
    }


@pytest.fixture
def admin(cast: Cast, sign_in: SignIn) -> Client:
    return sign_in(cast.admin)


@pytest.fixture
def operator(cast: Cast, sign_in: SignIn) -> Client:
    return sign_in(cast.operator)


def test_an_address_is_added_changed_and_removed(cast: Cast, admin: Client) -> None:
    page = admin.post(
        NOTIFICATIONS, {"email": "Noor@Acme.example", "on_failure": "on"}, follow=True
    ).content.decode()
    assert "noor@acme.example" in page
    assert recipients()["noor@acme.example"] == (False, False, True)
    with tenant_scope(cast.acme.id):
        noor = Recipient.objects.get(email="noor@acme.example")
    admin.post(f"{NOTIFICATIONS}{noor.pk}/change/", {"on_success": "on", "on_warning": "on"})
    assert recipients()["noor@acme.example"] == (True, True, False)
    admin.post(f"{NOTIFICATIONS}{noor.pk}/remove/")
    assert "noor@acme.example" not in recipients()
    with tenant_scope(cast.acme.id):
        events = AuditEvent.objects.filter(subject="noor@acme.example").order_by("at")
        assert [event.action for event in events] == [
            "recipient.added",
            "recipient.changed",
            "recipient.removed",
        ]
        assert {event.person_id for event in events} == {cast.admin.pk}


@pytest.mark.parametrize(
    ("email", "complaint"),
    [
        ("", "This field is required."),
        ("no address", "Enter a valid email address."),
        ("a@b.example\r\nBcc: c@d.example", "Enter a valid email address."),
        ("x" * 300 + "@acme.example", "at most 254 characters"),
        ("BACKUP@acme.example", "This address is in the list already."),
    ],
)
def test_a_wrong_address_is_refused_beside_its_field_and_kept(
    admin: Client, email: str, complaint: str
) -> None:
    before = recipients()
    page = admin.post(NOTIFICATIONS, {"email": email, "on_failure": "on"}).content.decode()
    assert complaint in page
    assert 'aria-invalid="true"' in page
    assert recipients() == before
    if email.isprintable():
        assert f'value="{email}"' in page or not email


def test_an_address_that_would_hear_of_nothing_is_refused(cast: Cast, admin: Client) -> None:
    page = admin.post(NOTIFICATIONS, {"email": "noor@acme.example"}).content.decode()
    assert "Choose at least one result" in page
    changed = admin.post(f"{NOTIFICATIONS}{cast.acme.recipient.pk}/change/", {}).content.decode()
    assert "Choose at least one result" in changed
    assert recipients() == {"backup@acme.example": (True, True, True)}


def test_a_tenant_without_recipients_is_told_so(cast: Cast, admin: Client) -> None:
    admin.post(f"{NOTIFICATIONS}{cast.acme.recipient.pk}/remove/")
    assert "Nobody is told yet" in admin.get(NOTIFICATIONS).content.decode()


def test_another_tenants_recipient_is_neither_changed_nor_removed(
    cast: Cast, admin: Client
) -> None:
    foreign = cast.globex.recipient.pk
    for action in ("change", "remove"):
        path = f"{NOTIFICATIONS}{foreign}/{action}/"
        assert admin.post(path, {"on_failure": "on"}).status_code == 404
    with tenant_scope(cast.globex.id):
        assert Recipient.objects.get(pk=foreign).on_success


def test_the_settings_are_kept_and_the_password_is_never_shown(operator: Client) -> None:
    page = operator.post(EMAIL, SMTP, follow=True).content.decode()
    assert "mail.provider.example" in page
    assert "A password is stored." in page
    assert SMTP["password"] not in page
    assert password_of(email_settings()) == SMTP["password"]
    operator.post(EMAIL, {**SMTP, "password": "", "port": "2525"})
    assert email_settings().port == 2525
    assert password_of(email_settings()) == SMTP["password"]
    operator.post(EMAIL, {**SMTP, "username": "", "password": ""})
    assert not password_of(email_settings())
    assert EmailSettings.objects.using("operator").count() == 1


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        ({"host": ""}, "Name the server that takes the mail."),
        ({"host": "https://mail.example.com/"}, "Write the server&#x27;s name or address only"),
        ({"host": "mail.example.com:25"}, "Write the server&#x27;s name or address only"),
        ({"host": "x" * 300}, "at most 255 characters"),
        ({"port": "0"}, "greater than or equal to 1"),
        ({"port": "70000"}, "less than or equal to 65535"),
        ({"port": "many"}, "Enter a whole number."),
        ({"sender": "Stowage <a@b.example>"}, "Enter a valid email address."),
        ({"sender_name": "A\r\nBcc: c@d.example"}, "Write it on one line"),
        ({"security": "rot13"}, "Select a valid choice."),
        ({"security": "none"}, "A password is sent over STARTTLS or TLS only."),
        ({"username": "", "password": "x"}, "A password needs a user name."),
        ({"password": ""}, "Enter the password of this user."),
        ({"password": "käse"}, "Only the characters of ASCII can be used here."),
    ],
)
def test_wrong_settings_are_refused_beside_the_field(
    operator: Client, wrong: dict[str, str], complaint: str
) -> None:
    page = operator.post(EMAIL, {**SMTP, **wrong}).content.decode()
    assert complaint in page
    assert SMTP["password"] not in page
    assert "Acme&#x27;s provider" in page or "sender_name" in wrong
    assert not EmailSettings.objects.using("operator").exists()


def test_a_stored_password_does_not_follow_to_another_server(operator: Client) -> None:
    operator.post(EMAIL, SMTP)
    moved = {**SMTP, "host": "mail.elsewhere.example", "password": ""}
    page = operator.post(EMAIL, moved).content.decode()
    assert "Enter the password for this server and user name." in page
    assert email_settings().host == SMTP["host"]


def test_a_test_message_is_sent_and_its_result_stands_in_the_outbox(
    operator: Client, mail_server: MailServer
) -> None:
    send_by(mail_server)
    sent = operator.post(f"{EMAIL}test/", {"to": "me@provider.example"})
    path = sent.headers["Location"]
    assert "every 2s" in operator.get(path).content.decode()
    send_waiting()
    last = operator.get(path, headers=HTMX)
    assert last.status_code == 286
    assert "Sent" in last.content.decode()
    assert mail_server.received[0].rcpt_tos == ["me@provider.example"]
    assert "Test message from Stowage" in operator.get("/operator/outbox/").content.decode()


def test_a_test_message_to_no_address_is_refused_beside_the_field(operator: Client) -> None:
    page = operator.post(f"{EMAIL}test/", {"to": "nobody"}).content.decode()
    assert "Enter a valid email address." in page
    assert 'value="nobody"' in page
    assert not OutboxMessage.objects.using("operator").exists()


def test_the_outbox_names_folder_state_and_last_error(
    operator: Client, mail_folder: Path, mail_server: MailServer
) -> None:
    assert str(mail_folder) in operator.get("/operator/outbox/").content.decode()
    send_by(mail_server)
    mail_server.refusals = ["550 5.1.1 no such mailbox"]
    message = write("gone@acme.example")
    send_waiting()
    listed = operator.get("/operator/outbox/?state=failed").content.decode()
    assert "550 5.1.1 no such mailbox" in listed
    assert str(mail_folder) not in listed
    assert "gone@acme.example" not in operator.get("/operator/outbox/?state=sent").content.decode()
    path = f"/operator/outbox/{message.pk}/"
    assert "Given up" in operator.get(path).content.decode()
    operator.post(f"{path}again/")
    send_waiting()
    assert state_of(message).state == OutboxMessage.State.SENT


def test_the_html_of_a_message_is_framed_without_any_right(operator: Client) -> None:
    message = write(html="<p>Hello</p><script>alert(1)</script>")
    path = f"/operator/outbox/{message.pk}/"
    page = operator.get(path)
    assert "<script>alert(1)" not in page.content.decode()
    assert f'sandbox title="The message as HTML" src="{path}html/"' in page.content.decode()
    assert "frame-src 'self'" in page.headers["Content-Security-Policy"]
    frame = operator.get(f"{path}html/")
    policy = frame.headers["Content-Security-Policy"]
    assert "sandbox" in policy.split("; ")
    assert "default-src 'none'" in policy
    assert "script-src" not in policy
    assert frame.headers["X-Frame-Options"] == "SAMEORIGIN"


def test_a_link_that_lets_somebody_in_is_not_shown(operator: Client) -> None:
    token, session = "k3yF0r-the_d00r-that-nobody-else-may-open_12", uuid4()
    link = (
        f"http://localhost:8000/invitation/{token}/ http://localhost:8000/t/a/sessions/{session}/"
    )
    message = write(text=f"Join: {link}", html=f"<a href='{link}'>Join</a>")
    path = f"/operator/outbox/{message.pk}/"
    for shown in (operator.get(path), operator.get(f"{path}html/")):
        assert token not in shown.content.decode()
        assert "/invitation/•••/" in shown.content.decode()
        assert str(session) in shown.content.decode()
    assert "only the recipient has it" in operator.get(path).content.decode()
    assert token in state_of(message).text


def test_an_unknown_message_is_404(operator: Client) -> None:
    assert operator.get(f"/operator/outbox/{uuid4()}/").status_code == 404
    assert operator.post(f"/operator/outbox/{uuid4()}/again/").status_code == 404

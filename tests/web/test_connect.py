"""Connecting an organization through the pages, and what is refused beside its field."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from backups.infrastructure.keys import unseal_secret
from backups.organizations.connections import key_row, source_for
from backups.organizations.models import Mailbox, Organization
from backups.organizations.servers import server_problem
from sandbox.faults import Fault, Kind
from sandbox.registration import BACKUP_ROLES
from sandbox.testing import Sandbox
from tenants.isolation.scope import tenant_scope
from tenants.models import AuditEvent
from tests.cast import Cast, credential
from tests.web.conftest import SignIn

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "operator", "owner"])

NEW = "/t/acme/organizations/new/"
HTMX = {"HX-Request": "true"}
RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with Sandbox(tmp_path_factory.mktemp("sandbox")) as running:
        for name in ("mara", "jun"):
            running.add_mailbox(f"{name}@acme.example")
        yield running


def form(**values: object) -> dict[str, object]:
    certificate, private_key = credential("Acme")
    return {
        "name": "Typed name",
        "directory": "acme.onmicrosoft.com",
        "client_id": "00000000-0000-0000-0000-00000000000a",
        "certificate": certificate,
        "private_key": private_key,
        "authority": "https://login.microsoftonline.com",
        "graph_url": "https://graph.microsoft.com",
        **values,
    }


def of_sandbox(sandbox: Sandbox, **values: object) -> dict[str, object]:
    made = sandbox.register("acme.example", **values)  # type: ignore[arg-type]
    return form(
        directory=made.directory,
        client_id=made.client_id,
        certificate=made.certificate_pem,
        private_key=made.private_key_pem,
        authority=made.authority,
        graph_url=made.graph_url,
        trust=made.trust_pem,
    )


def certificate(key: rsa.RSAPrivateKey, starts: int, ends: int) -> str:
    """A certificate that is valid between these days from now."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Stowage")])
    now = datetime.now(UTC)
    made = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    made = made.not_valid_before(now + timedelta(days=starts))
    signed = made.not_valid_after(now + timedelta(days=ends)).sign(key, hashes.SHA256())
    return signed.public_bytes(serialization.Encoding.PEM).decode()


def pem(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, password: bytes = b"") -> str:
    locked = serialization.BestAvailableEncryption(password) if password else None
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        locked or serialization.NoEncryption(),
    ).decode()


def beside(page: str, field: str) -> str:
    """The message beside a field, empty when there is none."""
    return page.partition(f'id="id_{field}_error"')[2].partition("</div>\n")[0]


def acme_organizations(cast: Cast) -> list[Organization]:
    with tenant_scope(cast.acme.id):
        return list(Organization.objects.exclude(pk=cast.acme.organization.pk))


def connect(client: Client, values: dict[str, object]) -> str:
    """The address of the check page that follows."""
    response = client.post(NEW, values)
    assert response.status_code == 302, response.content.decode()
    assert response.headers["Location"].endswith("/check/")
    return str(response.headers["Location"])


def test_an_organization_is_connected_checked_and_its_mailboxes_are_found(
    cast: Cast, sign_in: SignIn, sandbox: Sandbox
) -> None:
    client = sign_in(cast.admin)
    values = of_sandbox(sandbox)
    path = connect(client, values)
    assert 'hx-trigger="load, submit"' in client.get(path).content.decode()
    result = client.post(path, headers=HTMX).content.decode()
    assert "<html" not in result
    assert "Everything works." in result
    assert "2 mailboxes found" in result
    assert "Too much" in result
    [organization] = acme_organizations(cast)
    assert organization.state == Organization.State.CONNECTED
    with tenant_scope(cast.acme.id):
        assert Mailbox.objects.filter(organization=organization).count() == 2
        actions = set(AuditEvent.objects.values_list("action", flat=True))
    assert {"organization.connected", "organization.checked"} <= actions
    edit = client.get(path.replace("/check/", "/edit/")).content.decode()
    assert "PRIVATE KEY" not in edit


def test_a_certificate_is_made_and_only_its_public_half_comes_out(
    cast: Cast, sign_in: SignIn
) -> None:
    client = sign_in(cast.admin)
    values = form(makes_certificate="on", certificate="", private_key="")
    response = client.post(NEW, values)
    assert response.status_code == 302, response.content.decode()
    edit = response.headers["Location"]
    assert edit.endswith("/edit/")
    assert "Certificates &amp; secrets" in client.get(edit).content.decode()
    file = client.get(edit.replace("/edit/", "/certificate/"))
    assert file.headers["Content-Disposition"].startswith("attachment")
    assert b"PRIVATE" not in file.content
    public = x509.load_pem_x509_certificate(file.content)
    [organization] = acme_organizations(cast)
    with tenant_scope(cast.acme.id):
        sealed = unseal_secret(key_row(organization), bytes(organization.sealed_private_key))
    private = serialization.load_pem_private_key(sealed.encode(), password=None)
    assert private.public_key() == public.public_key()
    assert public.not_valid_after_utc > datetime.now(UTC) + timedelta(days=700)


def test_a_certificate_is_made_or_brought_but_not_both(cast: Cast, sign_in: SignIn) -> None:
    page = sign_in(cast.admin).post(NEW, form(makes_certificate="on")).content.decode()
    assert "Leave this empty" in beside(page, "certificate")
    assert not acme_organizations(cast)


def test_one_mailbox_is_read_for_real(cast: Cast, sign_in: SignIn, sandbox: Sandbox) -> None:
    sandbox.add_mail("jun@acme.example", "Inbox", b"Subject: Hello\r\n\r\nHello.\r\n")
    client = sign_in(cast.admin)
    path = connect(client, of_sandbox(sandbox))
    page = client.post(path).content.decode()
    assert re.search(r"jun@acme\.example</strong>.*Read.* listed, an item of .* exported", page)

    sandbox.faults.add(Fault(Kind.STATUS, "exportItems", times=9, status=403))
    page = client.post(path).content.decode()
    sandbox.faults.clear()
    assert "A mailbox could not be read." in page
    assert "exporting" in page
    assert "Everything works." not in page


def test_what_to_run_is_shown_with_the_organizations_own_values(
    cast: Cast, sign_in: SignIn, sandbox: Sandbox
) -> None:
    client = sign_in(cast.admin)
    values = of_sandbox(sandbox, roles=(*BACKUP_ROLES, "Mail.Read"))
    path = connect(client, values)
    page = html.unescape(client.post(path).content.decode())
    granted, _, rest = page.partition("Withdraw what is too much")
    withdrawn, _, narrowed = rest.partition("Narrow it to some mailboxes")
    assert "'MailboxFolder.ReadWrite.All', 'MailboxItem.ImportExport.All'" in granted
    assert f"appId eq '{values['client_id']}'" in granted
    assert "Where-Object Value -in 'Mail.Read'\n" in withdrawn
    assert f"-App '{values['client_id']}' -Role 'Application MailboxItem.Export'" in narrowed
    assert "ImportExport" not in narrowed


def test_missing_permissions_are_named_with_what_they_are_for(
    cast: Cast, sign_in: SignIn, sandbox: Sandbox
) -> None:
    client = sign_in(cast.admin)
    path = connect(client, of_sandbox(sandbox, roles=BACKUP_ROLES))
    page = client.post(path).content.decode()
    assert "2 permissions missing." in page
    assert "MailboxItem.ImportExport.All" in page
    assert "restore" in page


def test_a_check_that_fails_says_why_and_shows_it_in_the_organizations(
    cast: Cast, sign_in: SignIn, sandbox: Sandbox
) -> None:
    client = sign_in(cast.admin)
    values = of_sandbox(sandbox)
    other = credential("Somebody else")
    path = connect(client, {**values, "certificate": other[0], "private_key": other[1]})
    page = client.post(path).content.decode()
    assert "The check failed." in page
    [organization] = acme_organizations(cast)
    assert organization.state == Organization.State.FAILED
    assert organization.state_reason


def test_certificate_and_key_are_taken_from_files(cast: Cast, sign_in: SignIn) -> None:
    certificate_pem, key_pem = credential("Acme")
    files = {
        "certificate": "",
        "private_key": "",
        "certificate_file": SimpleUploadedFile("app.pem", certificate_pem.encode()),
        "private_key_file": SimpleUploadedFile("app.key", key_pem.encode()),
    }
    connect(sign_in(cast.admin), form(**files))
    [organization] = acme_organizations(cast)
    assert organization.certificate == certificate_pem
    with tenant_scope(cast.acme.id):
        source_for(organization).close()


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("name", "", "This field is required."),
        ("name", "n" * 500, "at most 200"),
        ("name", "Acme Online", "has this name already"),
        ("name", "nul\0", "Null characters"),
        ("directory", "", "This field is required."),
        ("directory", "../common", "id or its domain"),
        ("directory", "d" * 200, "at most 100"),
        ("client_id", "not-an-id", "looks like"),
        ("certificate", "", "Paste the certificate"),
        ("certificate", "hello", "no certificate in PEM form"),
        ("certificate", "c" * 70_000, "at most 65536"),
        ("certificate", certificate(RSA, -10, -1), "expired on"),
        ("certificate", certificate(RSA, 1, 2), "is not valid before"),
        ("private_key", "", "Paste the private key"),
        ("private_key", "hello", "no private key in PEM form"),
        ("private_key", pem(RSA), "does not belong to the certificate"),
        ("private_key", pem(RSA, b"secret"), "protected by a password"),
        ("private_key", pem(ec.generate_private_key(ec.SECP256R1())), "RSA keys"),
        ("authority", "https://login.example", "not a server of Microsoft"),
        ("graph_url", "http://graph.microsoft.com", "https address"),
        ("graph_url", "https://169.254.169.254", "not a server of Microsoft"),
        ("graph_url", "https://graph.microsoft.com@evil.example", "https address"),
        ("trust", "hello", "no certificate in PEM form"),
    ],
)
def test_a_wrong_value_is_said_beside_its_field_and_what_was_typed_is_kept(
    cast: Cast, sign_in: SignIn, field: str, value: str, words: str
) -> None:
    page = sign_in(cast.admin).post(NEW, form(**{field: value})).content.decode()
    assert words in beside(page, field)
    if field != "name":
        assert 'value="Typed name"' in page
    assert "PRIVATE KEY-----\n" not in page
    assert acme_organizations(cast) == []


def test_a_file_that_is_no_text_or_too_long_is_refused(cast: Cast, sign_in: SignIn) -> None:
    client = sign_in(cast.admin)
    for content, words in ((b"\x30\x82\xff", "which is text"), (b"x" * 70_000, "too long")):
        file = SimpleUploadedFile("app.der", content)
        page = client.post(NEW, form(certificate_file=file)).content.decode()
        assert words in beside(page, "certificate")


def test_only_allowed_servers_pass(settings: object) -> None:
    settings.ALLOWED_SERVERS = ["graph.example", "*.cloud.example:*", "[::1]:8443"]
    for url in (
        "https://graph.microsoft.com",
        "https://graph.example/",
        "https://eu.cloud.example:9",
        "https://[::1]:8443",
    ):
        assert server_problem(url) == "", url
    for url in (
        "https://graph.example:8443",
        "https://cloud.example",
        "https://graph.microsoft.com.evil.example",
        "https://127.0.0.1",
        "https://[::1]",
        "https://graph.example/path",
        "https://graph.example:x",
        "",
    ):
        assert server_problem(url), url


def test_a_credential_is_renewed_and_kept_when_nothing_is_given(
    cast: Cast, sign_in: SignIn, tmp_path: Path
) -> None:
    client, organization = sign_in(cast.admin), cast.acme.organization
    path = f"/t/acme/organizations/{organization.pk}/edit/"
    values = {"name": "New name", "client_id": organization.client_id}
    assert client.post(path, values).status_code == 302
    with tenant_scope(cast.acme.id):
        kept = Organization.objects.get(pk=organization.pk)
    assert (kept.name, kept.certificate) == ("New name", organization.certificate)
    half = client.post(path, {**values, "certificate": certificate(RSA, -1, 9)}).content.decode()
    assert "Paste the private key" in beside(half, "private_key")
    renewed = {**values, "certificate": certificate(RSA, -1, 9), "private_key": pem(RSA)}
    assert client.post(path, renewed).status_code == 302
    with tenant_scope(cast.acme.id):
        actions = list(AuditEvent.objects.values_list("action", flat=True))
    assert "organization.credential_renewed" in actions
    assert "organization.edited" in actions


def test_an_organization_is_removed_only_when_nothing_depends_on_it(
    cast: Cast, sign_in: SignIn
) -> None:
    client = sign_in(cast.admin)
    path = f"/t/acme/organizations/{cast.acme.organization.pk}/remove/"
    assert b"The job Acme job uses it" in client.post(path, follow=True).content
    client.post(f"/t/acme/jobs/{cast.acme.job.pk}/remove/")
    assert b"Backups of its mailboxes" in client.post(path, follow=True).content
    unused = connect(client, form()).replace("/check/", "/remove/")
    assert b"Typed name is removed" in client.post(unused, follow=True).content
    assert acme_organizations(cast) == []

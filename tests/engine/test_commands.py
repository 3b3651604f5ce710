"""Setting everything up from the command line, as README.md tells it."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from backups.infrastructure.keys import ensure_root_key
from backups.jobs.models import Job
from backups.organizations.models import Mailbox
from sandbox.testing import Sandbox
from tenants.isolation.scope import OPERATOR, tenant_scope
from tenants.models import Person, Tenant

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "operator", "owner"])


def run(*arguments: str, stdin: str = "", monkeypatch: pytest.MonkeyPatch | None = None) -> str:
    if monkeypatch:
        monkeypatch.setattr("sys.stdin", io.StringIO(stdin))
    out = io.StringIO()
    call_command(*arguments, stdout=out)
    return out.getvalue()


@pytest.fixture
def tenant(monkeypatch: pytest.MonkeyPatch, transactional_db: None) -> Tenant:
    ensure_root_key()
    password = "a long enough passphrase\n"
    arguments = ["create_tenant", "Acme", "--slug", "acme", "--admin", "admin@acme.example"]
    run(*arguments, stdin=password, monkeypatch=monkeypatch)
    return Tenant.objects.using(OPERATOR).get(slug="acme")


def test_the_readmes_commands_lead_to_a_job(
    tenant: Tenant, sandbox: Sandbox, tmp_path: Path
) -> None:
    sandbox.add_mailbox("mara@acme.example")
    registration = sandbox.register("acme.example")
    for name, text in (
        ("app.pem", registration.certificate_pem),
        ("app.key", registration.private_key_pem),
        ("ca.pem", registration.trust_pem or ""),
    ):
        (tmp_path / name).write_text(text)
    run("create_repository", "Main repository", str(tmp_path / "repository"))
    run("allocate", "acme", "Main repository")
    said = run(
        *["connect_organization", "acme", "Acme Online", "--directory", registration.directory],
        *["--client-id", registration.client_id, "--certificate", str(tmp_path / "app.pem")],
        *["--private-key", str(tmp_path / "app.key"), "--trust", str(tmp_path / "ca.pem")],
        *["--authority", registration.authority, "--graph-url", registration.graph_url],
    )
    assert "1 mailboxes" in said
    assert "granted" in said
    run("create_job", "acme", "Acme Online", "Main repository", "--daily", "22:00")
    with tenant_scope(tenant.pk):
        assert Mailbox.objects.get().address == "mara@acme.example"
        assert Job.objects.get().schedule == Job.Schedule.DAILY


def test_an_operator_is_created_once(
    monkeypatch: pytest.MonkeyPatch, transactional_db: None
) -> None:
    arguments = ["create_operator", "olga@provider.example"]
    run(*arguments, stdin="a long enough passphrase\n", monkeypatch=monkeypatch)
    assert Person.objects.get(email="olga@provider.example").is_operator
    with pytest.raises(CommandError, match="exists already"):
        run(*arguments, stdin="a long enough passphrase\n", monkeypatch=monkeypatch)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["create_tenant", "Acme", "--slug", "acme", "--admin", "x@acme.example"], "the slug acme"),
        (["create_tenant", "B", "--slug", "No Slug", "--admin", "x@b.example"], "valid"),
        (["allocate", "nobody", "nowhere"], r"no tenant nobody\. Tenants: acme"),
        (["allocate", "acme", "nowhere"], r"no repository nowhere\. Repositories: none yet"),
        (["create_repository", "R", "/proc/none/repository"], "proc"),
        (["create_job", "acme", "Nothing", "nowhere"], "no repository"),
    ],
)
def test_a_command_names_what_is_wrong(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    with pytest.raises(CommandError, match=message):
        run(*arguments, stdin="a long enough passphrase\n", monkeypatch=monkeypatch)


@pytest.mark.parametrize("password", ["", "short", "123456789012"])
def test_a_weak_password_is_refused_and_nobody_is_made(
    transactional_db: None, monkeypatch: pytest.MonkeyPatch, password: str
) -> None:
    with pytest.raises(CommandError):
        run("create_operator", "o@p.example", stdin=password + "\n", monkeypatch=monkeypatch)
    assert not Person.objects.exists()


def test_a_server_is_connected_from_the_command_line_and_found_again(
    tenant: Tenant, sandbox: Sandbox, tmp_path: Path
) -> None:
    sandbox.add_mailbox("jun@acme.example", on_server=True)
    account = sandbox.register_server_account("acme.example")
    for name, text in (
        ("password", f"{account.password}\n"),
        ("addresses", "jun@acme.example\nnobody@acme.example\n"),
        ("ca.pem", account.trust_pem),
    ):
        (tmp_path / name).write_text(text)
    command = ["connect_server", "acme", "Own server", "--url", account.ews_url]
    command += ["--account", account.user_name, "--addresses", str(tmp_path / "addresses")]
    command += ["--trust", str(tmp_path / "ca.pem")]
    with pytest.raises(CommandError, match="password: Write the account's password"):
        run(*command)
    said = run(*command, "--password-file", str(tmp_path / "password"))
    assert "granted  ApplicationImpersonation" in said
    assert "Own server is connected: 1 mailboxes." in said
    assert "connected: 1" in run(*command)
    with pytest.raises(CommandError, match=r"url: .*private network"):
        run(*command, "--url", "https://10.0.0.1/EWS/Exchange.asmx")

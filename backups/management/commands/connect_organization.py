"""`manage.py connect_organization`: an Exchange Online organization with an existing app."""

from __future__ import annotations

from pathlib import Path

from django.core.management.base import BaseCommand, CommandError, CommandParser

from backups.management.lookups import tenant_by_slug
from backups.organizations.connections import source_for
from backups.organizations.discovery import discover_mailboxes
from backups.organizations.models import Organization
from backups.organizations.refusal import OrganizationRefused
from backups.organizations.services import connect_organization
from backups.sources import SourceError
from tenants.isolation.scope import tenant_scope

AUTHORITY = "https://login.microsoftonline.com"
GRAPH = "https://graph.microsoft.com"


class Command(BaseCommand):
    help = "Connect an organization by an app registration with a certificate, and check it."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("tenant", help="its slug")
        parser.add_argument("name", help="what the organization is called here")
        parser.add_argument("--directory", required=True, help="Entra tenant id or domain")
        parser.add_argument("--client-id", required=True, help="of the app registration")
        parser.add_argument("--certificate", type=Path, required=True, help="PEM file")
        parser.add_argument("--private-key", type=Path, required=True, help="PEM file, unencrypted")
        parser.add_argument("--authority", default=AUTHORITY, help="sign-in address")
        parser.add_argument("--graph-url", default=GRAPH, help="address of Graph")
        parser.add_argument("--trust", type=Path, help="PEM file of the authority to trust")

    def handle(
        self,
        *,
        tenant: str,
        name: str,
        directory: str,
        client_id: str,
        certificate: Path,
        private_key: Path,
        authority: str,
        graph_url: str,
        trust: Path | None,
        **options: object,
    ) -> None:
        owner = tenant_by_slug(tenant)
        with tenant_scope(owner.pk):
            if Organization.objects.filter(name=name).exists():
                raise CommandError(f"{owner} has an organization {name} already.")
            try:
                organization = connect_organization(
                    name=name,
                    directory=directory,
                    client_id=client_id,
                    certificate=_pem(certificate, "CERTIFICATE"),
                    private_key=_pem(private_key, "PRIVATE KEY"),
                    authority=authority,
                    graph_url=graph_url,
                    trust=_pem(trust, "CERTIFICATE") if trust else "",
                )
            except OrganizationRefused as refusal:
                raise CommandError(f"{refusal.field or 'organization'}: {refusal}") from refusal
            source = source_for(organization)
        try:
            for state in source.check():
                mark = "granted" if state.granted else "MISSING"
                self.stdout.write(f"{mark:<8} {state.permission:<32} {state.purpose}")
            found = discover_mailboxes(organization.pk, owner.pk)
        except SourceError as error:
            raise CommandError(f"{name} is noted, but cannot be reached yet: {error}") from error
        finally:
            source.close()
        self.stdout.write(f"{name} is connected: {found} mailboxes.")


def _pem(file: Path, kind: str) -> str:
    try:
        text = file.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"{file}: {error}") from error
    if f"{kind}-----" not in text:
        raise CommandError(f"{file}: there is no {kind.lower()} in PEM form in it.")
    return text

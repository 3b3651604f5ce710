"""What an administrator runs to mend what a check found, with the organization's own values.

Cmdlets: Microsoft Graph PowerShell, "Grant and revoke API permissions"; Exchange Online, "Role
Based Access Control for Applications"; Exchange Server, "Configure impersonation".
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from backups.organizations.models import Organization
from backups.sources import PermissionState
from backups.sources.ews import IMPERSONATION

_GRAPH = "00000003-0000-0000-c000-000000000000"
_GROUP = "Stowage mailboxes"
_SCOPED = ("MailboxFolder.", "MailboxItem.", "MailboxSettings.")
"""Beginnings of the permissions that can be given for some mailboxes only."""


@dataclass(frozen=True, slots=True)
class Remedy:
    """``commands`` are lines of PowerShell."""

    title: str
    why: str
    commands: str


def remedies(organization: Organization, states: Iterable[PermissionState]) -> list[Remedy]:
    """Inside the tenant's scope."""
    on_server = [state for state in states if state.permission == IMPERSONATION]
    online = [state for state in states if state.permission != IMPERSONATION]
    found = []
    if any(state.needed and not state.granted for state in on_server):
        found.append(_impersonation(organization))
    missing = [state.permission for state in online if state.needed and not state.granted]
    beyond = [state.permission for state in online if not state.needed]
    scoped = [
        state.permission
        for state in online
        if state.needed and state.granted and state.permission.startswith(_SCOPED)
    ]
    if missing:
        found.append(_grant(organization, missing))
    if beyond:
        found.append(_withdraw(organization, beyond))
    if scoped:
        found.append(_narrow(organization, scoped))
    return found


def _impersonation(organization: Organization) -> Remedy:
    accounts = [server.account for server in organization.servers.all()]
    lines = [
        "New-ManagementRoleAssignment -Name 'Stowage' -Role ApplicationImpersonation"
        f" -User {_quoted(account)}"
        for account in accounts
    ]
    why = "In the Exchange Management Shell. It may take a few minutes to count."
    return Remedy("Let the service account open mailboxes", why, "\n".join(lines))


def _grant(organization: Organization, permissions: list[str]) -> Remedy:
    commands = (
        f"{_roles(organization, permissions, 'AppRoleAssignment.ReadWrite.All')}\n"
        "$roles | ForEach-Object { New-MgServicePrincipalAppRoleAssignment"
        " -ServicePrincipalId $app.Id -PrincipalId $app.Id -ResourceId $graph.Id"
        " -AppRoleId $_.Id }"
    )
    return Remedy("Grant what is missing", "With Microsoft Graph PowerShell.", commands)


def _withdraw(organization: Organization, permissions: list[str]) -> Remedy:
    commands = (
        f"{_roles(organization, permissions, 'AppRoleAssignment.ReadWrite.All')}\n"
        "Get-MgServicePrincipalAppRoleAssignment -ServicePrincipalId $app.Id -All |"
        " Where-Object AppRoleId -in $roles.Id | ForEach-Object {"
        " Remove-MgServicePrincipalAppRoleAssignment -ServicePrincipalId $app.Id"
        " -AppRoleAssignmentId $_.Id }"
    )
    why = "Nothing here uses them. Withdraw them if nothing else does."
    return Remedy("Withdraw what is too much", why, commands)


def _narrow(organization: Organization, permissions: list[str]) -> Remedy:
    app = _quoted(organization.client_id)
    given = [
        f"New-ManagementRoleAssignment -App {app}"
        f" -Role {_quoted('Application ' + one.removesuffix('.All'))}"
        f" -CustomResourceScope {_quoted(_GROUP)}"
        for one in permissions
    ]
    commands = "\n".join(
        [
            "Connect-MgGraph -Scopes 'Application.Read.All'",
            f"$app = Get-MgServicePrincipal -Filter \"appId eq '{organization.client_id}'\"",
            "Connect-ExchangeOnline",
            f"New-ServicePrincipal -AppId {app} -ObjectId $app.Id -DisplayName 'Stowage'",
            f"$group = Get-DistributionGroup {_quoted(_GROUP)}",
            f"New-ManagementScope -Name {_quoted(_GROUP)} -RecipientRestrictionFilter"
            " \"MemberOfGroup -eq '$($group.DistinguishedName)'\"",
            *given,
        ]
    )
    why = (
        "For an organization that protects some of its mailboxes only: make a mail-enabled security"
        f" group “{_GROUP}”, run this, then withdraw the same permissions in Entra, as the two add"
        " up. They are shown as missing from then on, for Entra does not know of them; the mailbox"
        " that is tried tells whether they work."
    )
    return Remedy("Narrow it to some mailboxes", why, commands)


def _roles(organization: Organization, permissions: list[str], scope: str) -> str:
    wanted = ", ".join(_quoted(one) for one in permissions)
    return (
        f"Connect-MgGraph -Scopes 'Application.Read.All', '{scope}'\n"
        f"$app = Get-MgServicePrincipal -Filter \"appId eq '{organization.client_id}'\"\n"
        f"$graph = Get-MgServicePrincipal -Filter \"appId eq '{_GRAPH}'\"\n"
        f"$roles = $graph.AppRoles | Where-Object Value -in {wanted}"
    )


def _quoted(value: str) -> str:
    """As PowerShell takes it literally."""
    return "'" + value.replace("'", "''") + "'"

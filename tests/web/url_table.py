"""Who may use which address. A name that is missing here fails the tests."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from django.urls import reverse

from tenants.people.permissions import Permission
from tests.cast import Company


class Access(enum.Enum):
    PUBLIC = "anybody, signed in or not"
    PERSON = "whoever is signed in"
    TENANT = "members of the tenant in the address"
    OPERATOR = "the provider's operators"
    KEY = "holders of an API key; sessions count for nothing (tests/api)"


@dataclass(frozen=True)
class Address:
    """One URL name; ``names`` are the parts of its address, found on a Company by ``parts``."""

    name: str
    access: Access
    names: tuple[str, ...] = ()
    method: str = "GET"
    permission: Permission | None = None

    def of(self, company: Company) -> str:
        """The address with this company's objects in it."""
        known = parts(company)
        return reverse(self.name, kwargs={name: known[name] for name in self.names})

    def crossed(self, mine: Company, theirs: Company) -> str:
        """My tenant's address with another tenant's object in it."""
        known = {**parts(theirs), "slug": mine.tenant.slug}
        return reverse(self.name, kwargs={name: known[name] for name in self.names})


def parts(company: Company) -> dict[str, object]:
    return {
        "slug": company.tenant.slug,
        "organization_id": company.organization.pk,
        "job_id": company.job.pk,
        "session_id": company.session.pk,
        "mailbox_id": company.mailbox.pk,
        "version_id": company.item.pk,
        "hold_id": company.hold.pk,
        "destruction_id": company.destruction.pk,
        "number": 0,
        "recipient_id": company.recipient.pk,
        "message_id": company.message.pk,
        "key_id": company.id,  # no key of the provider has it
        "name": "not-found",
        "member_id": company.administrator.pk,
        "invitation_id": company.invitation.pk,
        "tenant_id": company.id,
        "allocation_id": company.allocation.pk,
        "proxy_id": company.allocation.repository.proxy_id,
        "exclusion_id": company.id,  # no exclusion has it
    }


SEE, CONTENT = Permission.SEE_BACKUPS, Permission.SEE_CONTENT
RUN, MANAGE, RESTORE = Permission.RUN_JOBS, Permission.MANAGE_JOBS, Permission.RESTORE
CONNECT = Permission.MANAGE_ORGANIZATIONS
TENANT = Access.TENANT
ORGANIZATION = ("slug", "organization_id")
JOB = ("slug", "job_id")
MAILBOX = ("slug", "mailbox_id")
ITEM = (*MAILBOX, "version_id")
DESTRUCTION = ("slug", "destruction_id")
RECIPIENT = ("slug", "recipient_id")
MEMBER = ("slug", "member_id")
INVITATION = ("slug", "invitation_id")
PEOPLE = Permission.MANAGE_PEOPLE
OF_TENANT = ("tenant_id",)
OF_INVITATION = ("tenant_id", "invitation_id")

ADDRESSES = (
    Address("tenants:start", Access.PUBLIC),
    Address("tenants:home", TENANT, ("slug",)),
    Address("tenants:operator", Access.OPERATOR),
    Address("backups:organizations", TENANT, ("slug",), permission=SEE),
    Address("backups:organization", TENANT, ORGANIZATION, permission=SEE),
    Address("backups:organization-new", TENANT, ("slug",), permission=CONNECT),
    Address("backups:server-new", TENANT, ("slug",), permission=CONNECT),
    Address("backups:organization-server", TENANT, ORGANIZATION, permission=CONNECT),
    Address("backups:organization-edit", TENANT, ORGANIZATION, permission=CONNECT),
    Address("backups:organization-certificate", TENANT, ORGANIZATION, permission=CONNECT),
    Address("backups:organization-check", TENANT, ORGANIZATION, permission=CONNECT),
    Address("backups:organization-remove", TENANT, ORGANIZATION, "POST", CONNECT),
    Address("backups:infrastructure", TENANT, ("slug",), permission=SEE),
    Address("backups:recovery", TENANT, ("slug",), permission=CONNECT),
    Address("backups:job-new", TENANT, ("slug",), permission=MANAGE),
    Address("backups:job-preview", TENANT, ("slug",), permission=MANAGE),
    Address("backups:retention-preview", TENANT, ("slug",), permission=MANAGE),
    Address("backups:job", TENANT, JOB, permission=SEE),
    Address("backups:job-edit", TENANT, JOB, permission=MANAGE),
    Address("backups:job-remove", TENANT, JOB, "POST", MANAGE),
    Address("backups:job-start", TENANT, JOB, "POST", RUN),
    Address("backups:job-stop", TENANT, JOB, "POST", RUN),
    Address("backups:job-enable", TENANT, JOB, "POST", MANAGE),
    Address("backups:job-disable", TENANT, JOB, "POST", MANAGE),
    Address("backups:sessions", TENANT, ("slug",), permission=SEE),
    Address("backups:session", TENANT, ("slug", "session_id"), permission=SEE),
    Address("backups:search", TENANT, ("slug",), permission=CONTENT),
    Address("backups:mailbox", TENANT, MAILBOX, permission=CONTENT),
    Address("backups:restore", TENANT, MAILBOX, "POST", RESTORE),
    Address("backups:hold-place", TENANT, MAILBOX, "POST", Permission.MANAGE_HOLDS),
    Address("backups:hold-release", TENANT, (*MAILBOX, "hold_id"), "POST", Permission.MANAGE_HOLDS),
    Address("backups:destroy", TENANT, MAILBOX, permission=Permission.DESTROY_BACKUPS),
    Address("backups:destructions", TENANT, ("slug",), permission=SEE),
    Address("backups:destruction", TENANT, DESTRUCTION, permission=SEE),
    Address("backups:certificate", TENANT, DESTRUCTION, permission=SEE),
    Address("backups:operator-certificates", Access.OPERATOR),
    Address("backups:operator-certificate", Access.OPERATOR, ("destruction_id",)),
    Address("backups:operator-certificate-file", Access.OPERATOR, ("destruction_id",)),
    Address("backups:basket-add", TENANT, MAILBOX, "POST", RESTORE),
    Address("backups:item", TENANT, ITEM, permission=CONTENT),
    Address("backups:item-body", TENANT, ITEM, permission=CONTENT),
    Address("backups:item-attachment", TENANT, (*ITEM, "number"), permission=RESTORE),
    Address("backups:item-download", TENANT, ITEM, permission=RESTORE),
    Address("backups:basket-add-found", TENANT, ("slug",), "POST", RESTORE),
    Address("backups:basket", TENANT, ("slug",), permission=RESTORE),
    Address("backups:basket-remove", TENANT, ("slug",), "POST", RESTORE),
    Address("backups:basket-empty", TENANT, ("slug",), "POST", RESTORE),
    Address("backups:basket-restore", TENANT, ("slug",), "POST", RESTORE),
    Address("backups:basket-download", TENANT, ("slug",), "POST", RESTORE),
    Address("backups:operator-organizations", Access.OPERATOR),
    Address("backups:operator-infrastructure", Access.OPERATOR),
    Address("backups:operator-sessions", Access.OPERATOR),
    Address("backups:tenants", Access.OPERATOR),
    Address("backups:tenant-new", Access.OPERATOR),
    Address("backups:tenant", Access.OPERATOR, OF_TENANT),
    Address("backups:tenant-suspend", Access.OPERATOR, OF_TENANT, "POST"),
    Address("backups:tenant-resume", Access.OPERATOR, OF_TENANT, "POST"),
    Address("backups:tenant-invite-again", Access.OPERATOR, OF_INVITATION, "POST"),
    Address("backups:tenant-withdraw", Access.OPERATOR, OF_INVITATION, "POST"),
    Address("backups:proxy-new", Access.OPERATOR),
    Address("backups:proxy", Access.OPERATOR, ("proxy_id",)),
    Address("backups:repository-new", Access.OPERATOR),
    Address("backups:allocation-new", Access.OPERATOR),
    Address("backups:allocation", Access.OPERATOR, ("allocation_id",)),
    Address("backups:allocation-verification", Access.OPERATOR, ("allocation_id",), "POST"),
    Address("backups:operator-clock", Access.OPERATOR, (), "POST"),
    Address("backups:allocation-collection", Access.OPERATOR, ("allocation_id",), "POST"),
    Address("backups:exclusions", Access.OPERATOR),
    Address("backups:exclusion-remove", Access.OPERATOR, ("exclusion_id",), "POST"),
    Address("tenants:notifications", TENANT, ("slug",), permission=MANAGE),
    Address("tenants:recipient-change", TENANT, RECIPIENT, "POST", MANAGE),
    Address("tenants:recipient-remove", TENANT, RECIPIENT, "POST", MANAGE),
    Address("tenants:people", TENANT, ("slug",), permission=PEOPLE),
    Address("tenants:member-role", TENANT, MEMBER, "POST", PEOPLE),
    Address("tenants:member-remove", TENANT, MEMBER, "POST", PEOPLE),
    Address("tenants:invitation-again", TENANT, INVITATION, "POST", PEOPLE),
    Address("tenants:invitation-withdraw", TENANT, INVITATION, "POST", PEOPLE),
    Address("tenants:invitation", Access.PUBLIC),
    Address("tenants:invitation-link", Access.PUBLIC, ("secret",)),
    Address("tenants:email", Access.OPERATOR),
    Address("tenants:email-test", Access.OPERATOR, (), "POST"),
    Address("tenants:outbox", Access.OPERATOR),
    Address("tenants:outbox-message", Access.OPERATOR, ("message_id",)),
    Address("tenants:outbox-html", Access.OPERATOR, ("message_id",)),
    Address("tenants:outbox-again", Access.OPERATOR, ("message_id",), "POST"),
    Address("tenants:api-keys", Access.OPERATOR),
    Address("tenants:api-key-revoke", Access.OPERATOR, ("key_id",), "POST"),
    Address("v1:tenants", Access.KEY),
    Address("v1:usage", Access.KEY),
    Address("v1:metrics", Access.KEY),
    Address("api:docs", Access.PUBLIC),
    Address("api:schema", Access.PUBLIC),
    Address("api:problem", Access.PUBLIC, ("name",)),
    Address("api:nothing-here", Access.PUBLIC),
    Address("account_login", Access.PUBLIC),
    Address("account_logout", Access.PUBLIC),
    Address("account_inactive", Access.PUBLIC),
    Address("account_signup", Access.PUBLIC),
    Address("account_reauthenticate", Access.PERSON),
    Address("account_change_password", Access.PERSON),
    Address("account_reset_password", Access.PUBLIC),
    Address("account_reset_password_done", Access.PUBLIC),
    Address("account_reset_password_from_key", Access.PUBLIC, ("uidb36", "key")),
    Address("account_reset_password_from_key_done", Access.PUBLIC),
)

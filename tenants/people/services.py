"""Who belongs to a tenant: inviting, joining, changing and removing. docs/isolation.md, "Entry".

Everything here runs inside the tenant's scope. Opening an invitation enters it: whoever holds
the secret of a link may read that one row, and its tenant is known from then on.
"""

from __future__ import annotations

import hashlib
import secrets
from datetime import timedelta
from uuid import UUID

from allauth.account.models import EmailAddress
from django.db import IntegrityError, models, transaction
from django.db.models.functions import Now
from django.utils import timezone

from tenants.audit.services import record
from tenants.isolation.scope import APP, enter_tenant, require_tenant, show_entry
from tenants.models import Invitation, Membership, Person, Tenant
from tenants.people.letters import send_invitation
from tenants.people.permissions import Role

VALID_FOR = timedelta(days=7)
SECRET_BYTES = 32


class PeopleRefused(Exception):
    """This cannot be done; the message is for the person who asked."""


class InvitationGone(Exception):
    """The invitation was used, withdrawn or is too old."""


class PersonExists(Exception):
    """Somebody signs in with this address already: he must do so before he joins."""


def hash_of(secret: str) -> bytes:
    """What is kept of an invitation's secret: its SHA-256."""
    return hashlib.sha256(secret.encode()).digest()


def invite(*, email: str, role: str, name: str = "", person_id: UUID | None = None) -> Invitation:
    """Invite somebody by e-mail. An open invitation to the same address is replaced by this one.

    The secret is in the e-mail's link and nowhere else. Raises PeopleRefused for a member.
    """
    email = email.lower()
    tenant = Tenant.objects.get(pk=require_tenant())
    secret = secrets.token_urlsafe(SECRET_BYTES)
    if Membership.objects.filter(tenant=tenant, person__email__iexact=email).exists():
        raise PeopleRefused(f"{email} is a member already.")
    try:
        with transaction.atomic(using=APP):
            _open_to(email).delete()
            invitation = Invitation.objects.create(
                tenant=tenant,
                email=email,
                name=name,
                role=role,
                hash=hash_of(secret),
                invited_by_id=person_id,
                expires_at=timezone.now() + VALID_FOR,
            )
            record(action="person.invited", subject=email, person_id=person_id, role=role)
            send_invitation(invitation=invitation, tenant=tenant, secret=secret)
    except IntegrityError as error:
        if "one_open_invitation_per_email" in str(error):
            raise PeopleRefused(f"{email} was invited just now by somebody else.") from error
        raise
    return invitation


def invite_again(*, invitation: Invitation, person_id: UUID | None = None) -> Invitation:
    """Send a new link; the old one no longer works. Raises PeopleRefused for a member."""
    return invite(
        email=invitation.email,
        role=invitation.role,
        name=invitation.name,
        person_id=person_id,
    )


def withdraw(*, invitation: Invitation, person_id: UUID | None = None) -> None:
    """The link no longer works. Does nothing when the invitation was accepted just now."""
    with transaction.atomic(using=APP):
        withdrawn, _ = Invitation.objects.filter(pk=invitation.pk, accepted_at=None).delete()
        if withdrawn:
            record(action="invitation.withdrawn", subject=invitation.email, person_id=person_id)


def open_invitation(hash_: bytes) -> Invitation:
    """The invitation with this hash; its tenant is entered for the rest of the transaction.

    Raises InvitationGone for one that is not there or no longer open, without saying which.
    """
    show_entry(hash_)
    found = Invitation.objects.filter(hash=hash_, accepted_at=None, expires_at__gt=Now()).first()
    if found is None:
        raise InvitationGone
    enter_tenant(found.tenant_id)
    return Invitation.objects.select_related("tenant", "invited_by").get(pk=found.pk)


def join_as_new(*, invitation: Invitation, name: str, password: str) -> Person:
    """Make the invited person and the membership, once. Raises InvitationGone, PersonExists.

    The address needs no other proof: the link came to it.
    """
    try:
        with transaction.atomic(using=APP):
            _use(invitation)
            person = Person.objects.create_user(
                email=invitation.email, password=password, name=name
            )
            _join(invitation, person)
    except IntegrityError as error:
        if "one_person_per_email" in str(error):
            raise PersonExists from error
        raise
    return person


def join(*, invitation: Invitation, person: Person) -> None:
    """Make the invited person, who is signed in, a member, once. Raises InvitationGone.

    Raises PeopleRefused for anybody else.
    """
    if person.email.lower() != invitation.email.lower():
        raise PeopleRefused(f"This invitation is for {invitation.email}.")
    with transaction.atomic(using=APP):
        _use(invitation)
        _join(invitation, person)


def change_role(*, member: Membership, role: Role, person_id: UUID | None = None) -> None:
    """Give a member another role. Raises PeopleRefused for the last administrator."""
    with transaction.atomic(using=APP):
        if role != Role.ADMINISTRATOR:
            _keep_an_administrator(member)
        Membership.objects.filter(pk=member.pk).update(role=role)
        record(
            action="member.role_changed",
            subject=member.person.email,
            person_id=person_id,
            role=str(role),
        )


def remove_member(*, member: Membership, person_id: UUID | None = None) -> None:
    """Take a member out; his next click finds nothing. Raises PeopleRefused for the last
    administrator.
    """
    with transaction.atomic(using=APP):
        _keep_an_administrator(member)
        Membership.objects.filter(pk=member.pk).delete()
        record(action="member.removed", subject=member.person.email, person_id=person_id)


def _open_to(email: str) -> models.QuerySet[Invitation]:
    return Invitation.objects.filter(
        tenant_id=require_tenant(), email__iexact=email, accepted_at=None
    )


def _use(invitation: Invitation) -> None:
    """Mark the invitation as accepted; of two at once the second waits, then finds it used."""
    unused = Invitation.objects.filter(
        pk=invitation.pk, accepted_at=None, expires_at__gt=Now()
    ).update(accepted_at=Now())
    if not unused:
        raise InvitationGone


def _join(invitation: Invitation, person: Person) -> None:
    # The link came to this address, which is all the proof that a verification would ask for.
    address, _ = EmailAddress.objects.get_or_create(
        user=person, email=person.email, defaults={"primary": True}
    )
    EmailAddress.objects.filter(pk=address.pk).update(verified=True)
    Membership.objects.get_or_create(
        tenant_id=invitation.tenant_id, person=person, defaults={"role": invitation.role}
    )
    record(
        action="invitation.accepted",
        subject=invitation.email,
        person_id=person.pk,
        role=invitation.role,
    )


def _keep_an_administrator(member: Membership) -> None:
    """Refuse when nobody else could manage the tenant. Two at once wait for one another."""
    administrators = Membership.objects.select_for_update().filter(
        tenant_id=require_tenant(), role=Role.ADMINISTRATOR
    )
    if {row.pk for row in administrators.order_by("pk")} == {member.pk}:
        raise PeopleRefused(
            f"{member.person} is the last administrator: make somebody else one first."
        )

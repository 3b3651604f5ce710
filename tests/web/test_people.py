"""The people of a tenant: members, roles, invitations."""

from __future__ import annotations

import pytest

from tenants.isolation.scope import tenant_scope
from tenants.models import AuditEvent, Invitation, Membership, Person
from tenants.people.permissions import Role
from tests.cast import CANARY, Cast
from tests.web.conftest import SignIn

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "operator", "owner"])

PEOPLE = "/t/acme/people/"


def member(cast: Cast, person: Person) -> Membership:
    with tenant_scope(cast.acme.id):
        return Membership.objects.get(tenant=cast.acme.tenant, person=person)


def test_members_and_open_invitations_are_listed(cast: Cast, sign_in: SignIn) -> None:
    page = sign_in(cast.admin).get(PEOPLE).content.decode()
    for person in (cast.admin, cast.reader, cast.restorer):
        assert person.email in page
    assert cast.acme.invitation.email in page
    assert CANARY not in page


def test_who_may_not_manage_people_sees_no_way_there(cast: Cast, sign_in: SignIn) -> None:
    client = sign_in(cast.reader)
    assert client.get(PEOPLE).status_code == 403
    assert PEOPLE.encode() not in client.get("/t/acme/organizations/").content
    assert PEOPLE.encode() in sign_in(cast.admin).get("/t/acme/organizations/").content


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"email": ""}, "This field is required"),
        ({"email": "nobody"}, "Enter a valid email address"),
        ({"email": "x" * 10_240 + "@acme.example"}, "at most 254 characters"),
        ({"email": "ADMIN@acme.example"}, "is a member already"),
        ({"role": "owner"}, "owner is not one of the available choices"),
        ({"role": ""}, "This field is required"),
        ({"name": "n" * 10_240}, "at most 200 characters"),
    ],
)
def test_a_wrong_invitation_is_refused_beside_the_field(
    cast: Cast, sign_in: SignIn, values: dict[str, str], message: str
) -> None:
    client = sign_in(cast.admin)
    sent = {"email": "ines@acme.example", "name": "Ines", "role": "auditor", **values}
    page = client.post(PEOPLE, sent).content.decode()
    assert message in page
    assert 'aria-invalid="true"' in page
    if "name" not in values:
        assert 'value="Ines"' in page
    with tenant_scope(cast.acme.id):
        assert Invitation.objects.filter(tenant=cast.acme.tenant).count() == 1


def test_inviting_twice_leaves_one_open_invitation(cast: Cast, sign_in: SignIn) -> None:
    client = sign_in(cast.admin)
    for role in ("auditor", "operator"):
        client.post(PEOPLE, {"email": "ines@acme.example", "role": role})
    with tenant_scope(cast.acme.id):
        found = Invitation.objects.get(email="ines@acme.example")
    assert found.role == Role.OPERATOR


def test_a_role_is_changed_and_written_down(cast: Cast, sign_in: SignIn) -> None:
    path = f"{PEOPLE}{member(cast, cast.reader).pk}/role/"
    client = sign_in(cast.admin)
    assert "no such role" in client.post(path, {"role": "x"}, follow=True).content.decode()
    assert member(cast, cast.reader).role == Role.AUDITOR
    client.post(path, {"role": "operator"})
    assert member(cast, cast.reader).role == Role.OPERATOR
    with tenant_scope(cast.acme.id):
        event = AuditEvent.objects.get(action="member.role_changed")
    assert event.person_id == cast.admin.pk
    assert event.subject == cast.reader.email


def test_a_removed_member_finds_nothing_any_more(cast: Cast, sign_in: SignIn) -> None:
    reader = sign_in(cast.reader)
    assert reader.get("/t/acme/organizations/").status_code == 200
    sign_in(cast.admin).post(f"{PEOPLE}{member(cast, cast.reader).pk}/remove/")
    assert reader.get("/t/acme/organizations/").status_code == 404


def test_the_last_administrator_can_neither_leave_nor_step_down(
    cast: Cast, sign_in: SignIn
) -> None:
    client, own = sign_in(cast.admin), f"{PEOPLE}{member(cast, cast.admin).pk}"
    for path, sent in ((f"{own}/remove/", {}), (f"{own}/role/", {"role": "auditor"})):
        assert b"is the last administrator" in client.post(path, sent, follow=True).content
        assert member(cast, cast.admin).role == Role.ADMINISTRATOR
    client.post(f"{PEOPLE}{member(cast, cast.reader).pk}/role/", {"role": "administrator"})
    client.post(f"{own}/remove/")
    assert client.get(PEOPLE).status_code == 404

"""Destroying a mailbox's backups on its page, and the certificate that comes of it."""

from __future__ import annotations

import hashlib
import json

import pytest
from django.utils import timezone

from backups.catalog.models import ItemVersion
from backups.destruction import work
from backups.destruction.due import due_places
from backups.destruction.models import Destruction, DestructionCertificate
from backups.organizations.models import Mailbox
from backups.retention.models import LegalHold
from tenants.isolation.scope import tenant_scope
from tests.cast import Cast
from tests.web.conftest import SignIn

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "operator", "owner"])

SENT = {"reason": "Article 17 request 12", "confirmation": "mara@acme.example"}


def page_of(cast: Cast) -> str:
    return f"/t/acme/mailboxes/{cast.acme.mailbox.pk}/"


def items(cast: Cast) -> int:
    with tenant_scope(cast.acme.id):
        return ItemVersion.objects.count()


@pytest.fixture
def free(cast: Cast) -> Cast:
    """Nothing is under legal hold, and no earlier destruction is there."""
    with tenant_scope(cast.acme.id):
        LegalHold.objects.update(released_at=timezone.now(), release_reason="closed")
    return cast


def test_it_takes_the_typed_address_and_a_reason(free: Cast, sign_in: SignIn) -> None:
    client = sign_in(free.admin)
    assert "Destroy backups" in client.get(page_of(free)).content.decode()
    for wrong in ({"confirmation": "mara"}, {"reason": ""}):
        answer = client.post(f"{page_of(free)}destroy/", {**SENT, **wrong})
        assert answer.status_code == 200
        assert items(free) == 1
    answer = client.post(f"{page_of(free)}destroy/", SENT, follow=True)
    assert "Under way" in answer.content.decode()
    assert items(free) == 0
    assert client.get(page_of(free)).status_code == 404
    with tenant_scope(free.acme.id):
        mailbox = Mailbox.objects.get()
        assert mailbox.coverage.count() == 1, "its job goes on with it"
    page = client.get(f"/t/acme/mailboxes/{mailbox.pk}/").content.decode()
    assert "No restore point yet" in page


def test_a_hold_refuses_it_and_says_so_before(cast: Cast, sign_in: SignIn) -> None:
    client = sign_in(cast.admin)
    assert "under legal hold" in client.get(f"{page_of(cast)}destroy/").content.decode()
    answer = client.post(f"{page_of(cast)}destroy/", SENT)
    assert "A legal hold is in force" in answer.content.decode()
    assert items(cast) == 1


def test_only_an_administrator_may(free: Cast, sign_in: SignIn) -> None:
    for person in (free.restorer, free.reader):
        client = sign_in(person)
        assert client.post(f"{page_of(free)}destroy/", SENT).status_code == 403
    assert items(free) == 1


def test_the_certificate_is_shown_and_given_byte_for_byte(free: Cast, sign_in: SignIn) -> None:
    client = sign_in(free.admin)
    client.post(f"{page_of(free)}destroy/", SENT)
    for place_id, tenant_id, _queue in due_places():
        work.work_on(place_id, tenant_id)
    with tenant_scope(free.acme.id):
        made = Destruction.objects.get(reason=SENT["reason"])
        known = DestructionCertificate.objects.get(pk=made.pk)
    page = client.get(f"/t/acme/destructions/{made.pk}/").content.decode()
    assert "Certificate of destruction" in page
    assert known.sha256 in page
    assert "admin@acme.example" in page
    file = client.get(f"/t/acme/destructions/{made.pk}/certificate/")
    assert hashlib.sha256(file.content).hexdigest() == known.sha256
    told = json.loads(file.content)
    assert told["mailbox"]["id"] == str(free.acme.mailbox.pk)
    operator = sign_in(free.operator)
    assert known.sha256 in operator.get("/operator/certificates/").content.decode()
    assert operator.get(f"/operator/certificates/{made.pk}/file/").content == file.content
    assert SENT["confirmation"] in client.get("/t/acme/destructions/").content.decode()

from __future__ import annotations

from django.urls import path
from django.views.generic import RedirectView

from tenants.views import api_keys, invitation, mail, notifications, people, start

app_name = "tenants"

NOTIFICATIONS = "t/<slug:slug>/notifications/"
RECIPIENT = f"{NOTIFICATIONS}<uuid:recipient_id>/"
PEOPLE = "t/<slug:slug>/people/"
MEMBER = f"{PEOPLE}<uuid:member_id>/"
INVITATION = f"{PEOPLE}invitations/<uuid:invitation_id>/"
MESSAGE = "operator/outbox/<uuid:message_id>/"

urlpatterns = [
    path("", start.start, name="start"),
    path("t/<slug:slug>/", RedirectView.as_view(pattern_name="backups:organizations"), name="home"),
    path(
        "operator/",
        RedirectView.as_view(pattern_name="backups:operator-organizations"),
        name="operator",
    ),
    path(NOTIFICATIONS, notifications.notifications, name="notifications"),
    path(f"{RECIPIENT}change/", notifications.change, name="recipient-change"),
    path(f"{RECIPIENT}remove/", notifications.remove, name="recipient-remove"),
    path(PEOPLE, people.people, name="people"),
    path(f"{MEMBER}role/", people.change_role, name="member-role"),
    path(f"{MEMBER}remove/", people.remove_member, name="member-remove"),
    path(f"{INVITATION}again/", people.invite_again, name="invitation-again"),
    path(f"{INVITATION}withdraw/", people.withdraw, name="invitation-withdraw"),
    path("invitation/", invitation.invitation, name="invitation"),
    path("invitation/<str:secret>/", invitation.invitation_link, name="invitation-link"),
    path("operator/email/", mail.email, name="email"),
    path("operator/email/test/", mail.test_message, name="email-test"),
    path("operator/outbox/", mail.outbox, name="outbox"),
    path(MESSAGE, mail.outbox_message, name="outbox-message"),
    path(f"{MESSAGE}html/", mail.outbox_html, name="outbox-html"),
    path(f"{MESSAGE}again/", mail.outbox_again, name="outbox-again"),
    path("operator/api-keys/", api_keys.api_keys, name="api-keys"),
    path("operator/api-keys/<uuid:key_id>/revoke/", api_keys.revoke, name="api-key-revoke"),
]

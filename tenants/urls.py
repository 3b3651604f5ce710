from __future__ import annotations

from django.urls import path
from django.views.generic import RedirectView

from tenants.views import mail, notifications, start

app_name = "tenants"

NOTIFICATIONS = "t/<slug:slug>/notifications/"
RECIPIENT = f"{NOTIFICATIONS}<uuid:recipient_id>/"
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
    path("operator/email/", mail.email, name="email"),
    path("operator/email/test/", mail.test_message, name="email-test"),
    path("operator/outbox/", mail.outbox, name="outbox"),
    path(MESSAGE, mail.outbox_message, name="outbox-message"),
    path(f"{MESSAGE}html/", mail.outbox_html, name="outbox-html"),
    path(f"{MESSAGE}again/", mail.outbox_again, name="outbox-again"),
]

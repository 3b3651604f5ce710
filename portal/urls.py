"""Every address of the server. tests/web/url_table.py says who may use each."""

from __future__ import annotations

from allauth.account import views as account
from django.urls import include, path, re_path

handler400 = "portal.api.problems.bad_request"
handler403 = "portal.api.problems.permission_denied"
handler404 = "portal.api.problems.page_not_found"
handler500 = "portal.api.problems.server_error"

urlpatterns = [
    path("", include("tenants.urls")),
    path("", include("backups.urls")),
    path("api/v1/", include("tenants.api.urls")),
    path("api/", include("portal.api.urls")),
    # Only the pages of the sign-in library that are in use; the rest of it stays unreachable.
    path("account/login/", account.login, name="account_login"),
    path("account/logout/", account.logout, name="account_logout"),
    path("account/inactive/", account.account_inactive, name="account_inactive"),
    path("account/signup/", account.signup, name="account_signup"),
    path("account/reauthenticate/", account.reauthenticate, name="account_reauthenticate"),
    path("account/password/", account.password_change, name="account_change_password"),
    path("account/password/reset/", account.password_reset, name="account_reset_password"),
    path(
        "account/password/reset/done/",
        account.password_reset_done,
        name="account_reset_password_done",
    ),
    re_path(
        r"^account/password/reset/key/(?P<uidb36>[0-9A-Za-z]+)-(?P<key>.+)/$",
        account.password_reset_from_key,
        name="account_reset_password_from_key",
    ),
    path(
        "account/password/reset/key/done/",
        account.password_reset_from_key_done,
        name="account_reset_password_from_key_done",
    ),
]

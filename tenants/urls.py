from __future__ import annotations

from django.urls import path
from django.views.generic import RedirectView

from tenants.views import start

app_name = "tenants"
urlpatterns = [
    path("", start.start, name="start"),
    path("t/<slug:slug>/", RedirectView.as_view(pattern_name="backups:organizations"), name="home"),
    path(
        "operator/",
        RedirectView.as_view(pattern_name="backups:operator-organizations"),
        name="operator",
    ),
]

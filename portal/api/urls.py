"""Everything under /api/ that belongs to no app. The last entry takes whatever is left."""

from __future__ import annotations

from django.urls import path, re_path
from drf_spectacular.views import SpectacularYAMLAPIView

from portal.api import schema, views

__all__ = ["schema", "urlpatterns"]  # the schema's extension registers itself when it is loaded

app_name = "api"
urlpatterns = [
    path("docs/", views.documentation, name="docs"),
    path("openapi.yaml", SpectacularYAMLAPIView.as_view(schema=None), name="schema"),
    path("problems/<slug:name>", views.problem_kind, name="problem"),
    re_path(r"", views.NothingHere.as_view(), name="nothing-here"),
]

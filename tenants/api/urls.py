"""/api/v1: nothing is removed inside a version; fields and values may be added."""

from __future__ import annotations

from django.urls import path

from tenants.api.views import TenantList
from tenants.billing.api.views import MetricList, UsageList

app_name = "v1"
urlpatterns = [
    path("tenants", TenantList.as_view(), name="tenants"),
    path("usage", UsageList.as_view(), name="usage"),
    path("usage/metrics", MetricList.as_view(), name="metrics"),
]

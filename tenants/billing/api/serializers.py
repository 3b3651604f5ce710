from __future__ import annotations

from datetime import date, timedelta

from rest_framework import serializers  # type: ignore[import-untyped]

from portal.api.queries import PageQuery, Query
from tenants.models import UsageSample


class UsageQuery(PageQuery):
    """The parameters of the usage of a period."""

    period = serializers.RegexField(
        r"^20[0-9]{2}-(0[1-9]|1[0-2])$",
        help_text="A month of UTC, as YYYY-MM.",
        error_messages={"invalid": "Write the month as YYYY-MM, from 2000-01 to 2099-12."},
    )
    tenant = serializers.CharField(
        required=False, max_length=40, help_text="One tenant only: its id or its slug."
    )

    @property
    def days(self) -> tuple[date, date]:
        """The first and the last day of the period."""
        first = date.fromisoformat(f"{self.validated_data['period']}-01")
        return first, (first + timedelta(days=31)).replace(day=1) - timedelta(days=1)


class UsageSerializer(serializers.Serializer):  # type: ignore[misc]
    """What a tenant used on a day, of one metric."""

    id = serializers.UUIDField(
        help_text="The same for one tenant, metric and day, however often it is read."
    )
    tenant = serializers.UUIDField(help_text="The tenant's id.")
    day = serializers.DateField(help_text="A day of UTC.")
    metric = serializers.ChoiceField(choices=UsageSample.Metric.choices)
    unit = serializers.CharField()
    value = serializers.IntegerField(min_value=0)
    sampled_at = serializers.DateTimeField(
        help_text="When the sample was taken; for a provisional value, the moment it is of."
    )
    provisional = serializers.BooleanField(
        help_text="True until the day's sample is taken. A value that is not provisional never"
        " changes."
    )


class UsagePageSerializer(serializers.Serializer):  # type: ignore[misc]
    results = UsageSerializer(many=True)
    next = serializers.CharField(
        allow_null=True, help_text="The cursor of the next page; null at the end."
    )


class MetricQuery(Query):
    """The catalogue takes no parameters."""


class MetricSerializer(serializers.Serializer):  # type: ignore[misc]
    """A metric. It never carries a price."""

    name = serializers.ChoiceField(choices=UsageSample.Metric.choices)
    unit = serializers.CharField()
    aggregation = serializers.ChoiceField(
        choices=["peak", "average", "last", "sum"],
        help_text="How the days of a month are made into one quantity.",
    )
    description = serializers.CharField()


class MetricListSerializer(serializers.Serializer):  # type: ignore[misc]
    results = MetricSerializer(many=True)

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now

from tenants.isolation.tables import IdentifiedTenantModel, TenantManager


class UsageSample(IdentifiedTenantModel):
    """What a tenant used on one UTC day, of one metric. Added, never changed.

    The id is a UUIDv5 of tenant, metric and day: whoever counts a day again finds it counted.
    """

    class Metric(models.TextChoices):
        PROTECTED_MAILBOXES = "protected_mailboxes", "Protected mailboxes"
        STORED_BYTES = "stored_bytes", "Stored bytes"

    day = models.DateField()
    metric = models.CharField(max_length=40, choices=Metric)
    value = models.BigIntegerField()
    sampled_at = models.DateTimeField(db_default=Now(), editable=False)

    objects = TenantManager()

    class Meta(IdentifiedTenantModel.Meta):
        ordering = ("day", "metric")
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "metric", "day"], name="one_sample_per_day_and_metric"
            ),
            models.CheckConstraint(condition=models.Q(value__gte=0), name="usage_is_not_negative"),
        ]
        indexes = [
            # A billing period, over all tenants.
            models.Index(fields=["day", "tenant"], name="usage_of_a_period"),
        ]

    def __str__(self) -> str:
        return f"{self.metric} {self.day}: {self.value}"

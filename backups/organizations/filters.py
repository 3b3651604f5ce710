from __future__ import annotations

import django_filters
from django import forms
from django.db.models import Q

from backups.organizations.models import Mailbox
from backups.organizations.querysets import MailboxQuerySet


class MailboxFilter(django_filters.FilterSet):  # type: ignore[misc]
    """Needs a queryset with ``is_protected``."""

    q = django_filters.CharFilter(
        method="search",
        label="Name or address",
        widget=forms.TextInput(attrs={"type": "search", "placeholder": "Name or address"}),
    )
    kind = django_filters.ChoiceFilter(
        label="Kind",
        empty_label="All kinds",
        choices=[
            ("user", "User"),
            ("shared", "Shared"),
            ("room", "Room"),
            ("equipment", "Equipment"),
            ("archive", "Archive"),
            ("public", "Public folders"),
        ],
    )
    is_protected = django_filters.ChoiceFilter(
        label="Protection",
        empty_label="Protected or not",
        choices=[("True", "Protected"), ("False", "Not protected")],
    )

    class Meta:
        model = Mailbox
        fields = ("q", "kind", "is_protected")

    def search(self, rows: MailboxQuerySet, name: str, value: str) -> MailboxQuerySet:
        return rows.filter(Q(name__icontains=value) | Q(address__icontains=value))

from __future__ import annotations

import django_filters

from backups.sessions.models import Kind, Session, State


class SessionFilter(django_filters.FilterSet):  # type: ignore[misc]
    state = django_filters.ChoiceFilter(
        label="Result", empty_label="Any result", choices=State.choices
    )
    kind = django_filters.ChoiceFilter(
        label="Kind", empty_label="Backups and restores", choices=Kind.choices
    )

    class Meta:
        model = Session
        fields = ("state", "kind")

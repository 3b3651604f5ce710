"""The formats that an item can be downloaded in."""

from __future__ import annotations

from django import template

from backups.streams import Format, formats_for

register = template.Library()


@register.filter
def formats(item_class: str) -> tuple[Format, ...]:
    """Those that make sense of an item of this class, the usual one first."""
    return formats_for(item_class)

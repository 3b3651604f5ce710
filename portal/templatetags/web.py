"""Template tags of the kit: vendored files, icons, states, sizes and times."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import cache
from typing import TypedDict

from django import template
from django.conf import settings
from django.contrib.humanize.templatetags.humanize import naturaltime
from django.forms import BoundField, CheckboxInput, Select
from django.forms.boundfield import BoundWidget
from django.template.defaultfilters import filesizeformat
from django.templatetags.static import static
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

register = template.Library()

STATE_COLOURS: Mapping[str, str] = {
    "success": "green",
    "complete": "green",
    "active": "green",
    "connected": "green",
    "restored": "green",
    "sent": "green",
    "merged": "azure",
    "online": "green",
    "ready": "green",
    "granted": "green",
    "protected": "green",
    "running": "azure",
    "restoring": "azure",
    "queued": "cyan",
    "pending": "cyan",
    "waiting": "cyan",
    "warning": "yellow",
    "partial": "yellow",
    "unprotected": "yellow",
    "stopping": "yellow",
    "maintenance": "yellow",
    "failed": "red",
    "error": "red",
    "offline": "red",
    "missing": "red",
    "disconnected": "red",
    "stopped": "secondary",
    "disabled": "secondary",
    "suspended": "secondary",
}
"""Tabler's colour for a state's value; a state that is not named here is grey."""

DASH = "\N{EN DASH}"


class VendoredLibrary(TypedDict):
    folder: str
    files: dict[str, str]


@cache
def _vendored() -> dict[str, VendoredLibrary]:
    manifest = settings.BASE_DIR / "static/vendor/vendor.json"
    libraries: dict[str, VendoredLibrary] = json.loads(manifest.read_text("utf-8"))
    return libraries


def _vendor_url(library: str, file: str) -> str:
    return static(f"vendor/{_vendored()[library]['folder']}/{file}")


@register.simple_tag
def vendor_style(library: str, file: str) -> SafeString:
    """A stylesheet of static/vendor with its integrity value. KeyError when it is not there."""
    return format_html(
        '<link rel="stylesheet" href="{}" integrity="{}">',
        _vendor_url(library, file),
        _vendored()[library]["files"][file],
    )


@register.simple_tag
def vendor_script(library: str, file: str) -> SafeString:
    """A deferred script of static/vendor with its integrity value."""
    return format_html(
        '<script src="{}" integrity="{}" defer></script>',
        _vendor_url(library, file),
        _vendored()[library]["files"][file],
    )


@register.simple_tag
def icon(name: str, classes: str = "") -> SafeString:
    """A decorative icon of the sprite; what it means must also stand in the text beside it."""
    return format_html(
        '<svg class="icon {}" aria-hidden="true"><use href="{}#{}"></use></svg>',
        classes,
        _vendor_url("tabler-icons", "sprite.svg"),
        name,
    )


@register.simple_tag
def state(value: object, label: object = "") -> SafeString:
    """A state as a badge with a dot; ``label`` is the text, else the value itself."""
    key = str(value).lower()
    return format_html(
        '<span class="status status-{} state-{}"><span class="status-dot{}"></span>{}</span>',
        STATE_COLOURS.get(key, "secondary"),
        key,
        " status-dot-animated" if key == "running" else "",
        label or str(value).replace("_", " ").capitalize(),
    )


@register.filter
def size(value: int | None) -> str:
    """Bytes as a person reads them; a dash for an unknown number."""
    return DASH if value is None else filesizeformat(value)


@register.filter
def when(value: datetime | None) -> SafeString | str:
    """A moment as "3 minutes ago" with the exact time behind it; a dash for none."""
    if value is None:
        return DASH
    exact = timezone.localtime(value)
    return format_html(
        '<time datetime="{}" title="{}">{}</time>',
        exact.isoformat(timespec="seconds"),
        exact.strftime("%Y-%m-%d %H:%M:%S %Z"),
        naturaltime(value),
    )


@register.filter
def moment(value: datetime | None) -> SafeString | str:
    """A moment as date and time in the current zone; a dash for none."""
    if value is None:
        return DASH
    exact = timezone.localtime(value)
    return format_html(
        '<time datetime="{}" class="text-nowrap">{}</time>',
        exact.isoformat(timespec="seconds"),
        exact.strftime("%Y-%m-%d %H:%M"),
    )


@register.filter
def duration(value: timedelta | float | None) -> str:
    """A length of time in its two largest units, seconds when it is a number."""
    if value is None:
        return DASH
    seconds = int(value.total_seconds() if isinstance(value, timedelta) else value)
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min {seconds % 60} s"
    return f"{seconds // 3600} h {seconds % 3600 // 60} min"


@register.filter
def control(field: BoundField) -> SafeString:
    """The field's control with the class that its kind of widget has in Tabler."""
    widget = field.field.widget
    if isinstance(widget, CheckboxInput):
        name = "form-check-input"
    elif isinstance(widget, Select):
        name = "form-select"
    else:
        name = "form-control"
    return field.as_widget(attrs={"class": f"{name} is-invalid" if field.errors else name})


@register.filter
def filter_control(field: BoundField) -> SafeString:
    """A control of a list's filter: choosing from a list applies it at once."""
    if isinstance(field.field.widget, Select):
        return field.as_widget(attrs={"class": "form-select", "data-submits": ""})
    return field.as_widget(attrs={"class": "form-control"})


@register.filter
def is_checkbox(field: BoundField) -> bool:
    return isinstance(field.field.widget, CheckboxInput)


@register.filter
def choice_control(choice: BoundWidget) -> SafeString:
    """One radio button or check box of a group, without its label."""
    choice.data["attrs"]["class"] = "form-check-input"
    return choice.tag()

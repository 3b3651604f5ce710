"""Forms look the same everywhere: one template for a field, with its message beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.forms.renderers import DjangoTemplates
from django.template import TemplateDoesNotExist
from django.template.loader import get_template

if TYPE_CHECKING:
    from django.http import HttpRequest, QueryDict
    from django.template.backends.base import _EngineTemplate


class FormRenderer(DjangoTemplates):
    """Looks for a template in the project first, then among Django's own widgets."""

    field_template_name = "web/field.html"
    form_template_name = "web/form.html"

    def get_template(self, template_name: str) -> _EngineTemplate:
        try:
            return get_template(template_name)
        except TemplateDoesNotExist:
            template: _EngineTemplate = super().get_template(template_name)
            return template


def sent(request: HttpRequest) -> QueryDict | None:
    """What a form is bound to: the values that were sent, also when they are none at all."""
    return request.POST if request.method == "POST" else None

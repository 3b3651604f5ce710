from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connections, transaction
from django.http import HttpRequest, HttpResponse

from portal.api.views import KeyView
from tenants.isolation.scope import OPERATOR, operator_scope


class ProviderView(KeyView):
    """A view of the provider's API: it runs as the operator's role, which reads no content."""

    def dispatch(self, request: HttpRequest, *args: object, **kwargs: object) -> HttpResponse:
        with operator_scope():
            response: HttpResponse = super().dispatch(request, *args, **kwargs)
        return response


@contextmanager
def snapshot() -> Iterator[None]:
    """Everything read inside is of one moment: a page has no holes where a sample was just taken.

    The outermost transaction of the operator's alias, since PostgreSQL fixes the isolation level
    with the first statement.
    """
    with transaction.atomic(using=OPERATOR, durable=True):
        with connections[OPERATOR].cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        yield

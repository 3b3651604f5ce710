from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from django.core.cache import cache
from django.test import Client

from tenants.api.services import IssuedKey, create_key
from tenants.models import ApiKey
from tests.cast import Cast, make_cast

Caller = Callable[..., Client]


@pytest.fixture
def cast(transactional_db: None, tmp_path: Path) -> Cast:
    cache.clear()
    return make_cast(tmp_path)


@pytest.fixture
def issued(cast: Cast) -> IssuedKey:
    """A key with every scope."""
    return create_key(name="Billing", scopes=ApiKey.Scope.values, expires_at=None)


@pytest.fixture
def api(issued: IssuedKey) -> Client:
    return holder_of(issued.text)


def holder_of(text: str) -> Client:
    return Client(headers={"authorization": f"Bearer {text}"}, raise_request_exception=False)

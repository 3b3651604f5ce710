from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from django.test import Client

from tenants.models import Person
from tests.cast import Cast, make_cast

SignIn = Callable[[Person], Client]


@pytest.fixture
def cast(transactional_db: None, tmp_path: Path) -> Cast:
    return make_cast(tmp_path)


@pytest.fixture
def sign_in() -> SignIn:
    def client_of(person: Person) -> Client:
        client = Client()
        client.force_login(person)
        return client

    return client_of

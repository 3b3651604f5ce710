from __future__ import annotations

from pathlib import Path

import pytest

from tests.cast import Cast, make_cast


@pytest.fixture
def cast(transactional_db: None, tmp_path: Path) -> Cast:
    return make_cast(tmp_path)

from __future__ import annotations

from tests.engine.conftest import sandbox, world

__all__ = ["sandbox", "world"]

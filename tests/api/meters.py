from __future__ import annotations


def broken(**asked: object) -> None:
    raise RuntimeError("the meter is broken")

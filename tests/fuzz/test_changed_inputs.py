"""Inputs that were right once, changed at random; the same ones in every run."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .seeds import SEEDS
from .targets import TARGETS

calm = settings(
    max_examples=120, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
)
edits = st.lists(
    st.tuples(
        st.floats(0, 1, exclude_max=True),
        st.sampled_from(["set", "drop", "double", "insert"]),
        st.binary(min_size=1, max_size=12) | st.sampled_from([b"\xff\xff\xff\xff", b"\0" * 8]),
    ),
    min_size=1,
    max_size=5,
)


def changed(seed: bytes, changes: list[tuple[float, str, bytes]]) -> bytes:
    for place, kind, scrap in changes:
        at = int(place * (len(seed) + 1))
        match kind:
            case "set":
                seed = seed[:at] + scrap + seed[at + len(scrap) :]
            case "drop":
                seed = seed[:at] + seed[at + len(scrap) * 4 :]
            case "double":
                seed = seed[:at] + seed[at // 2 :]
            case _:
                seed = seed[:at] + scrap + seed[at:]
    return seed


@pytest.mark.parametrize("name", TARGETS)
@calm
@given(data=st.data())
def test_a_changed_input_brings_nothing_but_our_own_errors(name: str, data: st.DataObject) -> None:
    seed = data.draw(st.sampled_from(SEEDS[name]))

    TARGETS[name](changed(seed, data.draw(edits)))


@pytest.mark.parametrize("name", TARGETS)
def test_every_beginning_of_an_input_brings_nothing_but_our_own_errors(name: str) -> None:
    for seed in SEEDS[name]:
        step = max(len(seed) // 60, 1)
        for length in range(0, len(seed) + 1, step):
            TARGETS[name](seed[:length])

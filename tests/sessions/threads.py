from __future__ import annotations

import threading
from collections.abc import Callable

from django.db import connections


def at_once(*works: Callable[[], object]) -> list[object]:
    """Run the works at the same time, each with connections of its own.

    Their results in order; an exception is the result of the work that raised it.
    """
    results: list[object] = [None] * len(works)
    start = threading.Barrier(len(works))

    def run(number: int, work: Callable[[], object]) -> None:
        start.wait(timeout=30)
        try:
            results[number] = work()
        except Exception as error:  # noqa: BLE001  (handed to the test, which looks at it)
            results[number] = error
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=pair) for pair in enumerate(works)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert not any(thread.is_alive() for thread in threads), "a thread hangs"
    return results

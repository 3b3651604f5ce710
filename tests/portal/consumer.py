"""A consumer in a process of its own: prints each body it gets; `hold` never acknowledges."""

import sys
import time

from kombu import Connection, Consumer

import portal.celery

FOLDER, QUEUE, MANNER = sys.argv[1:4]


def main() -> None:
    options = {"folder": FOLDER, "polling_interval": 0.01}
    with Connection("filesystem://localhost//", transport_options=options) as connection:

        def take(body: object, message: object) -> None:
            print(body, flush=True)
            if MANNER == "hold":
                time.sleep(600)
            message.ack()  # type: ignore[attr-defined]

        queues = [portal.celery.queue(QUEUE)]
        with Consumer(connection, queues, callbacks=[take], accept=["json"], prefetch_count=1):
            while True:
                try:
                    connection.drain_events(timeout=1.0)
                except TimeoutError:
                    if MANNER == "drain":
                        return


main()

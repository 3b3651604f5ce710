"""A Celery application of its own with the portal's settings, for tests of the doorbell."""

import os
import time
from pathlib import Path

from celery import Celery

from portal.celery import QueuesOnDemand, celery_settings

FOLDER = Path(os.environ["BELL_FOLDER"])

app = Celery("bell", amqp=QueuesOnDemand, set_as_current=False)
app.conf.update(celery_settings(FOLDER, ""))


@app.task(name="bell.ring")
def ring(number: int) -> None:
    """Leave a mark; hang for as long as the folder says so."""
    with (FOLDER / f"rung-{number}").open("a") as stream:
        stream.write(f"{os.getpid()}\n")
    while (FOLDER / "hang").exists():
        time.sleep(0.05)
    (FOLDER / f"done-{number}").touch()

"""The portal's processes, for `manage.py up` and `manage.py demo`."""

import http.client
import signal
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

from portal.celery import CONTROL, INTERACTIVE
from portal.child import Child

ROOT = Path(__file__).resolve().parent.parent
WORKERS, WEB, SANDBOX = 0, 1, 2


def free_port(host: str, port: int) -> int:
    """`port` when nothing listens there (any free one for 0); OSError when something does."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((host, port))
        return int(probe.getsockname()[1])


def answers(host: str, port: int) -> bool:
    """Whether a web server answers there, whatever it says."""
    connection = http.client.HTTPConnection(host, port, timeout=5)
    try:
        connection.request("GET", "/", headers={"Host": "localhost"})
        connection.getresponse()
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
    return True


def listens(host: str, port: int) -> bool:
    """Whether anything accepts connections there."""
    try:
        socket.create_connection((host, port), timeout=5).close()
    except OSError:
        return False
    return True


def manage(name: str, *arguments: str) -> Child:
    """A management command."""
    return Child(name=name, command=[sys.executable, str(ROOT / "manage.py"), *arguments])


def web(host: str, port: int, *, workers: int = 2, threads: int = 4) -> Child:
    return Child(
        name="web",
        command=[
            *[sys.executable, "-m", "gunicorn", "portal.wsgi:application"],
            *["--chdir", str(ROOT), "--bind", f"{host}:{port}", "--worker-class", "gthread"],
            *["--workers", str(workers), "--threads", str(threads), "--timeout", "60"],
            *["--graceful-timeout", "5", "--log-level", "warning"],
        ],
        stage=WEB,
        death_signal=signal.SIGQUIT,
        ready=lambda: answers(host, port),
    )


def scheduler() -> Child:
    return Child(name="scheduler", command=[*_celery(), "beat", "--pidfile=", "-l", "warning"])


def worker(name: str, queues: Sequence[str], *, concurrency: int) -> Child:
    """A Celery worker for these queues.

    On SIGTERM it lets its tasks go on for `worker_soft_shutdown_timeout` seconds, then drops them:
    they resume from their checkpoint. The pool's processes die with their parent, so SIGKILL is a
    clean end when the supervisor is gone.
    """
    return Child(
        name=name,
        command=[
            *[*_celery(), "worker", "-n", f"{name}@%h", "-Q", ",".join(queues)],
            *["-c", str(concurrency), "-l", "warning", "--without-gossip", "--without-mingle"],
        ],
        environment={
            "REMAP_SIGTERM": "SIGQUIT",
            # What Celery warns root of, unpickling messages, can't happen: only JSON is accepted.
            "PYTHONWARNINGS": "ignore::UserWarning:celery.platforms",
        },
        stage=WORKERS,
        grace=10.0,
        death_signal=signal.SIGKILL,
    )


def sandbox(folder: Path, port: int) -> Child:
    """The sandbox Exchange of the demo."""
    return Child(
        name="sandbox",
        command=[
            *[sys.executable, "-m", "sandbox", "serve", "--data", str(folder)],
            *["--port", str(port)],
        ],
        stage=SANDBOX,
        ready=lambda: listens("127.0.0.1", port),
    )


def portal(host: str, port: int, *, proxy_queue: str, proxy_tasks: int = 2) -> list[Child]:
    """Everything beside the database: web, scheduler, control worker and the default proxy."""
    return [
        web(host, port),
        worker("control", [CONTROL, INTERACTIVE], concurrency=2),
        worker("proxy", [proxy_queue], concurrency=proxy_tasks),
        scheduler(),
    ]


def _celery() -> list[str]:
    return [sys.executable, "-m", "celery", "-q", "--app", "portal", "--workdir", str(ROOT)]

"""One PostgreSQL for the whole run, started by the portal's own launcher and gone afterwards.

The cluster is started when the first test asks for the database (with pytest-xdist at once, since
all workers share it). Each worker has a database of its own: made by the superuser, migrated as
`portal_owner`, used as `portal_app`; a test that needs the operator's alias as well says
`django_db(databases=["default", "operator"], transaction=True)`.

All state of the portal goes to a temporary data folder. Programs that a test starts inherit both.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import django
import pytest
from hypothesis import settings as hypothesis_settings

VARIABLES = {
    "default": "PORTAL_DATABASE_URL",
    "operator": "PORTAL_DATABASE_OPERATOR_URL",
    "owner": "PORTAL_DATABASE_OWNER_URL",
}
# Nothing here has to survive a power cut.
FAST = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}

IN_WORKER = "PYTEST_XDIST_WORKER" in os.environ
if not IN_WORKER:
    os.environ["PORTAL_DATA_DIR"] = tempfile.mkdtemp(prefix="stowage-tests-")
    for variable in VARIABLES.values():
        os.environ.pop(variable, None)
        os.environ.pop(variable + "_FILE", None)
    Path(os.environ["PORTAL_DATA_DIR"], "static").mkdir()
os.environ["PORTAL_ALLOWED_SERVERS"] = "127.0.0.1:*"
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
DATA_DIR = Path(os.environ["PORTAL_DATA_DIR"])
# For long runs by hand: --hypothesis-profile=deep.
hypothesis_settings.register_profile("deep", max_examples=5_000, stateful_step_count=50)
# Here, not by an ini option: that would read the settings before the data folder above is set.
django.setup()


def pytest_configure(config: pytest.Config) -> None:
    if not IN_WORKER and getattr(config.option, "numprocesses", None):
        from portal.database import LocalDatabase

        LocalDatabase(DATA_DIR).start(options=FAST)


def pytest_unconfigure(config: pytest.Config) -> None:
    if IN_WORKER:
        return
    from portal.database import LocalDatabase

    LocalDatabase(DATA_DIR).remove()
    shutil.rmtree(DATA_DIR, ignore_errors=True)


@pytest.fixture(scope="session")
def django_db_setup(django_db_blocker: object) -> Iterator[None]:
    from django.conf import settings
    from django.core.management import call_command
    from django.db import connections

    from portal.database import ROLES, SUPERUSER, LocalDatabase
    from portal.database.connections import reconnect

    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    database = LocalDatabase(DATA_DIR)
    if not IN_WORKER:
        database.start(options=FAST)
    name = f"test_{os.environ.get('PYTEST_XDIST_WORKER', 'portal')}"
    database.create_database(name)
    with database.connect(SUPERUSER, name) as connection:
        # Django empties the tables after a test with transaction=True.
        connection.execute(
            "ALTER DEFAULT PRIVILEGES FOR ROLE portal_owner IN SCHEMA public "
            "GRANT TRUNCATE ON TABLES TO portal_app, portal_operator"
        )
    for alias, variable in VARIABLES.items():
        os.environ[variable] = database.url(ROLES[alias], name)
    with django_db_blocker.unblock():
        reconnect(DATA_DIR)
        call_command("migrate", database="owner", verbosity=0, interactive=False)
        connections["owner"].close()
    yield
    with django_db_blocker.unblock():
        for alias in VARIABLES:
            connections[alias].close()
    for variable in VARIABLES.values():
        del os.environ[variable]
    database.drop_database(name)

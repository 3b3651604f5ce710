"""Tells a Django that is set up already where the database is."""

from pathlib import Path

from django.db import connections

from portal import environment


def reconnect(data_dir: Path) -> None:
    """Read the connection settings again and drop open connections.

    For a process that loaded its settings before the local cluster was made: only then is it known
    where its socket is.
    """
    for alias, entry in environment.databases(data_dir).items():
        connections[alias].close()
        connections.settings[alias].update(entry)
        connections[alias].settings_dict.update(entry)

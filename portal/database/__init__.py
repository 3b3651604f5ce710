"""The local PostgreSQL: for a machine where PORTAL_DATABASE_URL is not set."""

from portal.database.place import DATABASE, ROLES, SUPERUSER, DatabaseError
from portal.database.server import LocalDatabase, Status

__all__ = ["DATABASE", "ROLES", "SUPERUSER", "DatabaseError", "LocalDatabase", "Status"]

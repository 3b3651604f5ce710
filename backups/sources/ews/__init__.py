"""Exchange Server through Exchange Web Services."""

from backups.sources.ews.autodiscover import find_url
from backups.sources.ews.directory import ServerFacts
from backups.sources.ews.problems import IMPERSONATION
from backups.sources.ews.settings import Auth, EwsSettings
from backups.sources.ews.source import EwsSource
from backups.sources.ews.transport import BackOff

__all__ = [
    "IMPERSONATION",
    "Auth",
    "BackOff",
    "EwsSettings",
    "EwsSource",
    "ServerFacts",
    "find_url",
]

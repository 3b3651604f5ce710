"""Exchange Online through Microsoft Graph's mailbox import and export interface (v1.0)."""

from backups.sources.graph.settings import GraphSettings, Patience
from backups.sources.graph.source import GraphSource

__all__ = ["GraphSettings", "GraphSource", "Patience"]

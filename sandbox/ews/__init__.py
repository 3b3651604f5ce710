"""Exchange Web Services of an Exchange Server, over the sandbox's store."""

from sandbox.ews.service import PATHS, Ews

__all__ = ["PATHS", "Ews"]

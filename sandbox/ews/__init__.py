"""Exchange Web Services of an Exchange Server, over the sandbox's store."""

from sandbox.ews.service import EWS_PATH, Ews

__all__ = ["EWS_PATH", "Ews"]

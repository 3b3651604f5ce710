"""The part of Microsoft Graph v1.0 that a mailbox backup uses, over the sandbox's store."""

from sandbox.graph.routes import Graph

__all__ = ["Graph"]

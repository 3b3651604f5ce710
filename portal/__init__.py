"""The server: settings, processes, addresses, and the kits that every app builds on."""

__version__ = "0.1.0"

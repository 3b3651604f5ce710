"""Outlook's own files: message files, stores, and TNEF."""

"""Contacts: vCard in and out."""

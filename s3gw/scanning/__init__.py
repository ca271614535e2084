"""Asking virus scanners what is in a content: ClamAV's daemon, or a command."""

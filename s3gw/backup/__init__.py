"""Backups: snapshots of database and chunks in a place of their own, and servers made of them (docs/backup.md)."""

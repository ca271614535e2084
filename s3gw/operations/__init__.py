"""The semantics of S3: one handler per operation, gathered in table.py."""

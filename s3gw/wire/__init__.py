"""Bytes ⇄ values: no I/O and no semantics, nothing of s3gw but its errors."""

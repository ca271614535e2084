"""Measures what requests cost. README.md beside this file says how; `make bench` runs it."""

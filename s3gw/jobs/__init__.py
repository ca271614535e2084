"""Background work. The queue is metadata/jobs.py; the kinds of work are in table.py."""

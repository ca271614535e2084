"""What every door may know of the kinds of jobs: which come first, and what an admin may do with them. What they do is
in jobs/table.py, which is held to this table at import.
"""

from __future__ import annotations

from enum import IntEnum


class Priority(IntEnum):
    """Each has places of its own in a runner (jobs/places.py), so that none keeps those before it waiting."""

    NEEDED = 0  # makes room, or ends what was begun
    UPKEEP = 1  # other work of the server
    ASKED = 2  # what users ask for
    HEAVY = 3  # work on the contents of many objects


PRIORITIES: dict[str, Priority] = {
    "reap": Priority.NEEDED,
    "unlink": Priority.NEEDED,
    "sweep": Priority.NEEDED,
    "expire_uploads": Priority.NEEDED,
    "empty_trash": Priority.NEEDED,
    "hand_over": Priority.UPKEEP,
    "rebuild_search": Priority.UPKEEP,
    "purge_users": Priority.UPKEEP,
    "forget_ended": Priority.UPKEEP,
    "warn_of_quotas": Priority.UPKEEP,
    "measure_space": Priority.UPKEEP,
    "note_contents": Priority.UPKEEP,
    "scan": Priority.HEAVY,
    "rescan": Priority.HEAVY,
    "watch_scanner": Priority.UPKEEP,
    "thumbnail": Priority.HEAVY,
    "release_previews": Priority.UPKEEP,
    "batch": Priority.ASKED,
    "delete_bucket": Priority.ASKED,
    "unpack": Priority.ASKED,
    "measure_storage": Priority.ASKED,
    "verify_audit_log": Priority.ASKED,
    "report": Priority.HEAVY,
    "scrub": Priority.HEAVY,
    "forget_client_tokens": Priority.UPKEEP,
    "prune_audit_log": Priority.UPKEEP,
}

# Queued anew when it has ended: what is cancelled of it is the run that is on.
PERIODIC = (
    "reap",
    "sweep",
    "expire_uploads",
    "empty_trash",
    "purge_users",
    "forget_ended",
    "warn_of_quotas",
    "measure_space",
    "watch_scanner",
    "release_previews",
)
# What a cron line can begin (schedules.py). Not what tells ages by settled_clock.py, which has to look often.
SCHEDULABLE = ("rebuild_search", "warn_of_quotas", "scrub")
# Nothing else removes the files whose names such a job has.
NEVER_CANCELLED = ("unlink",)

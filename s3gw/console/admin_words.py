"""Words of the API that the screens for admins show in the visitor's language: states, roles and the like."""

from __future__ import annotations

from s3gw.console.language import marked as _

# Of health, jobs, chunks, contents, outcomes; roles of processes and users; where settings come from.
WORDS = (
    _("ok"), _("degraded"), _("full"), _("read-only"), _("dead"), _("too old"), _("differs"), _("wrong"),
    _("database"), _("reading"), _("writing"), _("scanning"), _("clock"),
    _("queued"), _("running"), _("done"), _("failed"), _("cancelled"), _("refused"),
    _("damaged"), _("healed"), _("unneeded"), _("missing"), _("unreadable"), _("changed"),
    _("pending"), _("clean"), _("infected"), _("unscannable"), _("released"),
    _("worker"), _("jobs"), _("celery"), _("user"), _("auditor"), _("admin"),
    _("default"), _("option"), _("environment"), _("file"), _("needed"), _("upkeep"), _("asked"), _("heavy"),
)  # fmt: skip

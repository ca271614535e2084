"""The command line: `s3gw serve|config|user|key|bucket|…`, all in the table below.

A command's module is imported when it is called, so that `serve` doesn't load what only the others need.
"""

from __future__ import annotations

from difflib import get_close_matches
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from s3gw import __version__, garbage

_COMMANDS = {
    "serve": "Serve S3.",
    "config": "Print every setting: its variable, value, default and meaning.",
    "operations": "Print AWS's operations and which of them are served.",
    "user": "Users: create, list, show, update, password, totp, disable, enable, delete, restore.",
    "group": "Groups of an account's users: create, list, show, update, add, remove, delete.",
    "policy": "Policies of users, groups and access keys: put, get, list, delete, lint.",
    "key": "Access keys: create, list, show, update, disable, enable, delete.",
    "grant": "What of a bucket users and groups were granted: create, list, update, delete.",
    "session": "Where people are logged in: list, end.",
    "link": "Share links: list, revoke.",
    "invite": "Invitations to register: create, list, revoke.",
    "account": "Accounts: public-access-block.",
    "bucket": "Buckets: create, list, show, update, delete, restore.",
    "quota": "How much buckets, prefixes and users may have: set, list, remove.",
    "usage": "How much is in buckets, and whether that is counted right: list, check.",
    "event-target": "Whom events can be told to: create, list, show, update, delete, dead, retry.",
    "events": "What becomes of objects, as it happens: tail.",
    "search": "The index that finds files: rebuild.",
    "scan": "Virus scanning: status, list, release, run.",
    "explain": "Tell whether a request is allowed, and by which rule.",
    "audit": "The audit log: list, export, verify, head.",
    "master-key": "The master key, under which secrets are sealed: list, add, rotate.",
    "token-key": "The keys that access tokens are signed with: rotate.",
    "schedule": "When jobs are begun by a cron line: list, set, run.",
    "report": "Who uses how much, as files in a bucket: create, list, show, update, delete, run.",
    "scrub": "Reading every stored chunk again, and those found damaged: status, run, list, show.",
    "blobs": "The store that has the bytes of objects: move.",
    "backup": "Snapshots of everything in another place: create, list, verify, restore, prune.",
    "migrate": "Bring the database's schema up to date, as a start does.",
    "nodes": "Which processes are there, on which machines, and what the reaper has before it.",
    "worker": "Run heavy jobs that Celery's broker tells of.",
    "job": "Background jobs: list, show, follow, cancel, retry.",
}


class _Commands(TyperGroup):
    def list_commands(self, ctx: Any) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in _COMMANDS:
            close = get_close_matches(cmd_name, _COMMANDS, 1)
            ctx.fail(f"No such command {cmd_name!r}.{f' Did you mean {close[0]!r}?' if close else ''}")
        command = typer.main.get_command(import_module(f"s3gw.cli.{cmd_name.replace('-', '_')}").app)
        command.name, command.help = cmd_name, command.help or _COMMANDS[cmd_name]
        return command

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """From the table: typer would import every command to ask it for its help."""
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))


app = typer.Typer(
    cls=_Commands, no_args_is_help=True, add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False
)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"s3gw {__version__}")
        raise typer.Exit


@app.callback()
def _s3gw(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """An S3-compatible object store that one command starts."""


def main() -> None:
    garbage.leave_for_now()
    app()

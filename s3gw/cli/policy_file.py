"""A policy in a file, as commands are given one."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from s3gw.access.document import LONGEST_TEXT
from s3gw.access.lint import lint
from s3gw.access.parse import parse_identity_policy
from s3gw.cli.command import Refused, tell
from s3gw.errors import S3Error


class PolicyFile(NamedTuple):
    """`name` is what the policy is called unless somebody says otherwise: as the file, without its suffix."""

    name: str
    text: str


def read(file: str) -> bytes:
    """Not more than a little beyond what would be refused as too long anyhow."""
    if file == "-":
        return sys.stdin.buffer.read(LONGEST_TEXT + 1)
    try:
        with Path(file).open("rb") as opened:
            return opened.read(LONGEST_TEXT + 1)
    except OSError as error:
        raise Refused(f"can't read {file}: {error.strerror}") from None


def read_checked(file: str, as_json: bool) -> PolicyFile:
    """A policy that may be put, after what is to be known of it was told. Raises the S3Error of one that may not."""
    text = read(file)
    findings = lint(text, None, actions_of)
    try:
        parse_identity_policy(text)
    except S3Error as error:
        whats = [finding.what for finding in findings if finding.what.startswith(error.message)]
        raise type(error)(whats[0] if whats else error.message) from None
    for severity, where, what in findings:
        tell("warning", f"{severity}: statement {where!r}: {what}", as_json)
    return PolicyFile("default" if file == "-" else Path(file).stem, text.decode())


def actions_of(operation: str) -> Sequence[str]:
    from s3gw.operations import table  # all operations: most policies name none

    return table.actions_of(operation)

"""What a process that performs operations works with: an open store, and what reads, writes and signs for it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from s3gw.archives.open_archives import OpenArchives
from s3gw.events.tail import Tail
from s3gw.running_hashes import RunningHashes
from s3gw.storage import Storage

if TYPE_CHECKING:
    from s3gw.auth.credentials import Credentials
    from s3gw.auth.passwords import Passwords
    from s3gw.auth.request_digests import RequestDigests
    from s3gw.content.reader import ContentReader
    from s3gw.content.writer import BodyWriter
    from s3gw.key_uses import KeyUses
    from s3gw.known_rules import KnownRules
    from s3gw.token_keys import TokenKeys


@dataclass(frozen=True)
class OperationServices(Storage):
    """Of operations, whether a door asks for them or a job does (operation_services.py makes them)."""

    writer: BodyWriter
    reader: ContentReader
    known_rules: KnownRules
    running_hashes: RunningHashes = field(default_factory=RunningHashes, kw_only=True)


@dataclass(frozen=True)
class Services(OperationServices):
    """Of a process that answers requests. Made once, by app.py, for all doors."""

    credentials: Credentials
    passwords: Passwords
    token_keys: TokenKeys
    key_uses: KeyUses
    request_digests: RequestDigests
    open_archives: OpenArchives = field(default_factory=OpenArchives)
    tail: Tail = field(default_factory=Tail)

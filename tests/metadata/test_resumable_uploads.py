"""Rows of resumable uploads, and of the hidden keys of URLs: their limits, and the transactions of appends."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

import pytest
from sqlalchemy import func, select, update

from s3gw.metadata import buckets, contents, hidden_keys, identities, resumable_uploads, schema, sessions, uploads
from s3gw.metadata.contents import CorruptContent, inline
from s3gw.metadata.database import Connection, Database, now
from s3gw.metadata.hidden_keys import HiddenKey
from s3gw.metadata.measures import measure
from s3gw.metadata.resumable_uploads import Piece, Resumable
from s3gw.metadata.schema import access_keys, identity_policies
from s3gw.metadata.uploads import Upload
from s3gw.problems import Conflict, NotAuthenticated, OffsetMismatch, TooLarge
from s3gw.running_hashes import Running, RunningHashes
from tests.metadata.changes import of_key

pytestmark = pytest.mark.anyio
CRC = base64.b64encode(bytes(8)).decode()


def begin(conn: Connection) -> Resumable:
    owner = identities.create_user(conn, name="owner").id
    bucket_id = buckets.create(conn, name="one", owner_id=owner, region="us-east-1", defaults="aws", now=1)
    upload = Upload(uploads.new_upload_id(1), bucket_id, "key", 1, owner, owner, "STANDARD", None, None, *[None] * 3)
    made = Resumable("id", upload.upload_id, bucket_id, "key", owner, 1, 1, None, 0, "whole", 0, "")
    resumable_uploads.begin(of_key(conn, bucket_id), upload._replace(is_resumable=1), made)
    return made


def append(conn: Connection, found: Resumable, size: int) -> Resumable:
    piece = Piece(found.received, None, inline(bytes(size)), hashlib.md5(bytes(size)).hexdigest(), "CRC64NVME", CRC)
    change = of_key(conn, found.bucket_id)
    found = resumable_uploads.append(change, found, piece)
    change.finish()
    return found


def sizes(conn: Connection, found: Resumable) -> list[int]:
    return [part.size for part in uploads.list_parts(conn, found.upload_id)]


async def test_small_pieces_are_joined_up_to_16_kib(database: Database) -> None:
    def work(conn: Connection) -> None:
        found = begin(conn)
        for size, expected in ((8192, [8192]), (8192, [16384]), (1, [16384, 1]), (1, [16384, 2])):
            found = append(conn, found, size)
            assert sizes(conn, found) == expected
        assert contents._MOST_INLINE == 16384

    await database.write(work)


@pytest.mark.parametrize("is_joined", [True, False])
async def test_a_piece_is_looked_at_again_when_another_was_joined_to_it_meanwhile(
    database: Database, monkeypatch: pytest.MonkeyPatch, is_joined: bool
) -> None:
    """On PostgreSQL the row of the piece may be read before that, and the content that it names after."""
    find_part = uploads.find_part

    def work(conn: Connection) -> None:
        found = append(conn, begin(conn), 5)
        (number,) = (part.part_number for part in uploads.list_parts(conn, found.upload_id))
        before = find_part(conn, found.upload_id, number)
        append(conn, found, 7)
        answers = iter([before, find_part(conn, found.upload_id, number)] if is_joined else [before, before])
        monkeypatch.setattr(uploads, "find_part", lambda *args: next(answers))
        if is_joined:
            assert resumable_uploads.content_of(conn, found.upload_id, number).size == 12
        else:
            with pytest.raises(CorruptContent):
                resumable_uploads.content_of(conn, found.upload_id, number)

    await database.write(work)


async def test_an_upload_has_so_many_pieces_at_most(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resumable_uploads, "MOST_PIECES", 2)

    def work(conn: Connection) -> None:
        found = append(conn, append(conn, begin(conn), 16000), 16000)
        with pytest.raises(TooLarge):
            append(conn, found, 16000)

    await database.write(work)


async def test_what_comes_for_another_place_is_refused(database: Database) -> None:
    def work(conn: Connection) -> None:
        old = begin(conn)
        append(conn, old, 5)
        with pytest.raises(OffsetMismatch):
            append(conn, old, 5)
        assert sizes(conn, old) == [5]

    await database.write(work)


async def test_with_its_upload_a_resumable_one_is_removed(database: Database) -> None:
    def work(conn: Connection) -> None:
        found = append(conn, begin(conn), 5)
        assert uploads.abort(conn, found.upload_id) == 1
        assert resumable_uploads.find(conn, found.id) is None

    await database.write(work)


def session(conn: Connection, name: str = "session") -> str:
    user = identities.create_user(conn, name=f"of-{name}").id
    sessions.begin(conn, name, user, name.encode(), address="", user_agent="", lifetime=10**12)
    return user


def hide(conn: Connection, key_id: str, user: str, of: str = "session", lifetime: int = 10**9) -> None:
    hidden_keys.create(conn, HiddenKey(key_id, user, of, "{}", now(conn) + lifetime), b"sealed")


def count(conn: Connection, table: Any) -> int:
    return int(conn.execute(select(func.count()).select_from(table)).scalar_one())


async def test_a_session_has_so_many_signed_urls_at_most(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hidden_keys, "MOST", 2)

    def work(conn: Connection) -> None:
        user = session(conn)
        hide(conn, "over", user, lifetime=-1)
        for name in ("one", "two"):
            hide(conn, name, user)
        with pytest.raises(Conflict):
            hide(conn, "three", user)

    await database.write(work)


async def test_hidden_keys_end_with_their_session_alone(database: Database) -> None:
    def work(conn: Connection) -> None:
        one, two = session(conn), session(conn, "other")
        hide(conn, "one", one)
        hide(conn, "two", two, "other")
        identities.create_key(conn, user="of-session", access_key_id="shown", sealed_secret=b"x")
        sessions.end(conn, "session", "logout")
        assert sorted(conn.execute(select(access_keys.c.access_key_id)).scalars()) == ["shown", "two"]
        assert count(conn, identity_policies) == 1
        with pytest.raises(NotAuthenticated):
            hide(conn, "late", one)

    await database.write(work)


async def test_of_1024_uploads_it_is_known_how_their_hash_goes_on() -> None:
    hashes = RunningHashes()
    for number in range(1025):
        hashes.keep(str(number), Running(5, hashlib.sha256(b"12345")))
    assert [hashes.of(name).size for name in ("0", "1", "1024")] == [0, 5, 5]
    hashes.of("1").hash.update(b"6")
    assert hashes.of("1").hash.digest() == hashlib.sha256(b"12345").digest()


async def test_one_that_has_ended_is_not_counted_as_open(database: Database) -> None:
    def work(conn: Connection) -> tuple[int, int]:
        begin(conn)
        before = measure(conn).open_uploads["resumable"]
        conn.execute(update(schema.resumable_uploads).values(ended_at=2))
        return before, measure(conn).open_uploads["resumable"]

    assert await database.write(work) == (1, 0)

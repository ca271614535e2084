"""`s3gw token-key`: the keys that access tokens of the JSON API are signed with."""

from __future__ import annotations

from s3gw.auth.credentials import Credentials
from s3gw.auth.key_file import open_keyring
from s3gw.cli.command import Data, DatabaseUrl, Json, group, session, show
from s3gw.metadata.audit import COMMAND_LINE
from s3gw.token_keys import TokenKeys

app = group()


@app.callback()
def _token_key() -> None:
    """A group, though it has one command yet."""


@app.command()
def rotate(data: Data = None, database_url: DatabaseUrl = None, as_json: Json = False) -> None:
    """Make a key that signs new access tokens within five seconds. Tokens of older ones are good until they expire."""
    with session(data, database_url, as_json) as metadata:
        credentials = Credentials(open_keyring(metadata.settings))
        key = metadata.run(lambda database: TokenKeys(database, credentials).rotate(COMMAND_LINE))
        show({"key": key}, as_json)

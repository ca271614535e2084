"""What a target is made of: its URL and its secret, which are sealed together, and what may be told of the URL."""

from __future__ import annotations

import re
from importlib.util import find_spec
from urllib.parse import SplitResult, urlsplit, urlunsplit

from s3gw.events import destination, webhook
from s3gw.events.message import Secrets
from s3gw.metadata.event_targets import Kind
from s3gw.problems import Invalid

NAME = "[A-Za-z0-9][A-Za-z0-9_-]{0,79}"  # as a queue's on AWS
_SCHEMES: dict[str, Kind] = {
    "https": "webhook",
    "http": "webhook",
    "redis": "redis",
    "rediss": "redis",
    "amqp": "amqp",
    "amqps": "amqp",
}
_LIBRARIES = {"redis": "redis", "amqp": "aiormq"}  # of the extra that is called as the kind
LONGEST_URL = 2048


def check_name(name: str) -> None:
    """Raises Invalid."""
    if not re.fullmatch(NAME, name):
        raise Invalid("a target's name is 1 to 80 of A-Z a-z 0-9 _ and -, and begins with a letter or digit")


def kind_of(url: str) -> Kind:
    """Raises Invalid for what isn't the URL of a target."""
    parts = _split(url)
    if parts.scheme not in _SCHEMES:
        raise Invalid(f"a target's URL begins with one of {', '.join(f'{scheme}://' for scheme in _SCHEMES)}")
    return _SCHEMES[parts.scheme]


def address_of(url: str) -> str:
    """What may be told of it: neither a user and password nor, of a webhook, a query, which often holds a token."""
    parts = _split(url)
    query = "" if kind_of(url) == "webhook" else parts.query
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, query, ""))


def secrets_of(url: str, secret: str | None) -> Secrets:
    """Of a new target; a webhook's secret is made up where none is given. Raises Invalid."""
    kind = kind_of(url)
    try:
        match kind:
            case "webhook":
                webhook.key_in(secret := secret or webhook.new_secret())
                return Secrets(url, secret)
            case "redis":
                destination.redis_stream_in(_split(url))
            case "amqp":
                destination.amqp_exchange_in(_split(url))
    except ValueError as error:
        raise Invalid(str(error)) from None
    if secret:
        raise Invalid("only the messages to a webhook are signed with a secret")
    if find_spec(_LIBRARIES[kind]) is None:
        raise Invalid(f"a library is missing on the server: pip install 's3gw[{kind}]'")
    return Secrets(url, "")


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        port_is_one = parts.port is None or parts.port > 0
    except ValueError:
        raise Invalid("it isn't a URL") from None
    is_plain = url.isascii() and url.isprintable() and " " not in url
    if not is_plain or not parts.hostname or not port_is_one or len(url) > LONGEST_URL or parts.fragment:
        raise Invalid(f"a target's URL has a host, no blanks and no fragment, and at most {LONGEST_URL} characters")
    return parts

"""Whether what S3GW_CELERY_BROKER says can be used, before anything is started. No message has what it says: that may
be a password.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from s3gw.config import Settings


def refusal(settings: Settings) -> str | None:
    """Why it can't."""
    if settings.celery_broker is None:
        return None
    if any(find_spec(library) is None for library in ("celery", "redis")):
        return "S3GW_CELERY_BROKER needs the extra `celery`: pip install 's3gw[celery]'"
    return None if _is_url(settings.celery_broker) else "S3GW_CELERY_BROKER is none: it looks like redis://HOST:PORT/0"


def _is_url(text: str) -> bool:
    try:
        url = urlsplit(text)
        return url.scheme in ("redis", "rediss") and bool(url.hostname) and url.port != 0
    except ValueError:
        return False

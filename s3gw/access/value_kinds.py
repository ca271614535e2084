"""Which condition keys have values of a kind: what isn't of it fulfils no condition, so people are told.

Source: Service Authorization Reference for Amazon S3 and IAM User Guide, "AWS global condition context keys".
"""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_address
from typing import NamedTuple

from s3gw.access.operators import read_date, read_number


class _Kind(NamedTuple):
    """`expected` is for people; `is_of_it` gives whether a value is."""

    expected: str
    is_of_it: Callable[[str], bool]


def _is_address(value: str) -> bool:
    try:
        ip_address(value)
    except ValueError:
        return False
    return True


_BOOLEAN = _Kind("true or false", lambda value: value.lower() in ("true", "false"))
_ADDRESS = _Kind("an address, as 192.0.2.7", _is_address)
_NUMBER = _Kind("a number", lambda value: read_number(value) is not None)
_DATE = _Kind("a time, as 2030-12-31T12:00:00Z", lambda value: read_date(value) is not None)
_KINDS = {
    "aws:SecureTransport": _BOOLEAN,
    "aws:MultiFactorAuthPresent": _BOOLEAN,
    "aws:ViaAWSService": _BOOLEAN,
    "aws:PrincipalIsAWSService": _BOOLEAN,
    "aws:SourceIp": _ADDRESS,
    "aws:EpochTime": _NUMBER,
    "aws:MultiFactorAuthAge": _NUMBER,
    "s3:max-keys": _NUMBER,
    "s3:signatureAge": _NUMBER,
    "s3:TlsVersion": _NUMBER,
    "s3:object-lock-remaining-retention-days": _NUMBER,
    "aws:CurrentTime": _DATE,
    "aws:TokenIssueTime": _DATE,
    "s3:object-lock-retain-until-date": _DATE,
}


def expected_instead(key: str, value: str) -> str | None:
    """What a value of the key (in its canonical spelling) should be; None: the value is all right."""
    kind = _KINDS.get(key)
    return None if kind is None or kind.is_of_it(value) else kind.expected

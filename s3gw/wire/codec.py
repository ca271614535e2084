"""The codec of an operation: its decoder and its encoder, compiled at first use.

`codec(name)` for every served operation at start-up keeps the compilation out of the first requests.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

from s3gw.wire.decode import Decoder, compile_decoder
from s3gw.wire.encode import Encoded, Encoder, compile_encoder
from s3gw.wire.model import operations

__all__ = ["Codec", "Encoded", "codec", "compile_decoder", "compile_encoder"]


class Codec(NamedTuple):
    decode: Decoder
    encode: Encoder


@cache
def codec(name: str) -> Codec:
    """By the operation's name in the model."""
    operation = operations()[name]
    return Codec(compile_decoder(operation), compile_encoder(operation))

"""The TLS certificate of both listeners, loaded again when its files change."""

from __future__ import annotations

import logging
import ssl
from pathlib import Path

from s3gw.disks.faults import in_words

_logger = logging.getLogger("s3gw.server")
_Stamp = tuple[tuple[int, int, int], ...]


class Certificate:
    """An SSLContext that follows its files; connections made before a change keep what they have.

    Every worker has one; the one that `tells` logs for all, and a failure that lasts only once.
    """

    def __init__(self, certificate: Path, key: Path, *, tells: bool = True) -> None:
        """Raises OSError or ssl.SSLError when the files can't be used."""
        self._files = (certificate, key)
        self._tells = tells
        self._told = ""
        self._stamp = self._read_stamp()
        self.context = self._load()

    def refresh(self) -> bool:
        """Load the files again if they changed. A pair that doesn't fit (half replaced) leaves the old one in use."""
        try:
            stamp = self._read_stamp()
            if stamp == self._stamp:
                return False
            # Loaded elsewhere first: a failed load_cert_chain would leave the context without a key.
            self._load()
            self.context.load_cert_chain(*self._files)
        except (OSError, ssl.SSLError) as error:  # in the middle of being replaced; we look again at the next tick
            self._tell(
                logging.WARNING,
                f"can't load the new TLS certificate {self._files[0]} (S3GW_TLS_CERT): {in_words(error)}",
            )
            return False
        self._stamp = stamp
        self._tell(logging.INFO, f"loaded the new TLS certificate {self._files[0]}")
        self._told = ""
        return True

    def _tell(self, level: int, message: str) -> None:
        if self._tells and message != self._told:
            _logger.log(level, "%s", message)
        self._told = message

    def _load(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(*self._files)
        context.set_alpn_protocols(["http/1.1"])
        return context

    def _read_stamp(self) -> _Stamp:
        stats = [path.stat() for path in self._files]
        return tuple((stat.st_mtime_ns, stat.st_ino, stat.st_size) for stat in stats)

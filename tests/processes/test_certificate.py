"""The TLS certificate follows its files, and a bad pair never replaces a good one."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from s3gw.processes.certificate import Certificate
from tests.certificates import write_certificate


def served_name(context: ssl.SSLContext) -> str:
    """The common name that a client sees, in a handshake without a network."""
    client = ssl.create_default_context()
    client.check_hostname, client.verify_mode = False, ssl.CERT_NONE
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours = client.wrap_bio(to_client, to_server)
    theirs = context.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(3):
        for side in (ours, theirs):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                pass
    certificate = ours.getpeercert(binary_form=True)
    assert certificate is not None
    name = x509.load_der_x509_certificate(certificate).subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0]
    return str(name.value)


def test_a_new_certificate_is_served_without_a_restart(tmp_path: Path) -> None:
    certificate = Certificate(*write_certificate(tmp_path, "server", "old"))
    assert not certificate.refresh()
    assert served_name(certificate.context) == "old"
    write_certificate(tmp_path, "server", "new")
    assert certificate.refresh()
    assert served_name(certificate.context) == "new"


def test_a_pair_that_does_not_fit_leaves_the_old_one_until_it_does(tmp_path: Path) -> None:
    certificate = Certificate(*write_certificate(tmp_path, "server", "old"))
    write_certificate(tmp_path, "other", "new")
    (tmp_path / "other.crt").replace(tmp_path / "server.crt")  # the key comes a moment later
    assert not certificate.refresh()
    assert served_name(certificate.context) == "old"
    (tmp_path / "other.key").replace(tmp_path / "server.key")
    assert certificate.refresh()
    assert served_name(certificate.context) == "new"


def test_a_pair_that_does_not_fit_for_a_while_is_told_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    certificate = Certificate(*write_certificate(tmp_path, "server", "old"))
    write_certificate(tmp_path, "other", "new")
    (tmp_path / "other.crt").replace(tmp_path / "server.crt")
    assert [certificate.refresh() for _ in range(3)] == [False] * 3
    assert len(caplog.records) == 1
    assert "S3GW_TLS_CERT" in caplog.text


def test_a_file_that_is_gone_for_a_moment_changes_nothing(tmp_path: Path) -> None:
    certificate = Certificate(*write_certificate(tmp_path, "server", "old"))
    (tmp_path / "server.crt").unlink()
    assert not certificate.refresh()
    assert served_name(certificate.context) == "old"


def test_a_file_that_is_no_certificate_is_refused(tmp_path: Path) -> None:
    _, key = write_certificate(tmp_path, "server")
    with pytest.raises(ssl.SSLError):
        Certificate(key, key)


def test_old_tls_is_refused(tmp_path: Path) -> None:
    assert Certificate(*write_certificate(tmp_path, "server")).context.minimum_version == ssl.TLSVersion.TLSv1_2

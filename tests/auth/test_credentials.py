"""Sealing, the caches, and the master key's file."""

from __future__ import annotations

import base64
import threading
from pathlib import Path

import pytest

from s3gw.auth import sigv4
from s3gw.auth.credentials import Credentials, new_access_key_id, new_secret_access_key
from s3gw.auth.key_file import load_master_keys
from s3gw.auth.master_key import MasterKeyError, parse_master_key


def test_a_sealed_secret_is_unsealed_and_never_sealed_alike_twice() -> None:
    credentials = Credentials(bytes(32))
    sealed = credentials.seal("AKIA1", "secret")
    assert b"secret" not in sealed
    assert sealed != credentials.seal("AKIA1", "secret")
    assert credentials.unseal("AKIA1", sealed) == "secret"


def test_a_secret_is_bound_to_its_key_id_and_to_the_master_key() -> None:
    sealed = Credentials(bytes(32)).seal("AKIA1", "secret")
    with pytest.raises(MasterKeyError, match="another master key"):
        Credentials(bytes(32)).unseal("AKIA2", sealed)
    with pytest.raises(MasterKeyError, match="another master key"):
        Credentials(b"\1" * 32).unseal("AKIA1", sealed)


@pytest.mark.parametrize("size", [0, 5, 12, 20])
def test_a_damaged_row_is_told(size: int) -> None:
    credentials = Credentials(bytes(32))
    with pytest.raises(MasterKeyError):
        credentials.unseal("AKIA1", credentials.seal("AKIA1", "secret")[:size])


def test_a_rotated_secret_counts_at_once_though_signing_keys_are_cached() -> None:
    credentials = Credentials(bytes(32))
    for secret in ("first", "second", "first"):
        key = credentials.signing_key("AKIA1", credentials.seal("AKIA1", secret), "20130524", "us-east-1")
        assert key == sigv4.signing_key(secret, "20130524", "us-east-1")


def test_the_caches_are_bounded() -> None:
    credentials = Credentials(bytes(32))
    assert credentials.signing_key.cache_info().maxsize is not None
    assert credentials.unseal.cache_info().maxsize is not None


def test_new_pairs_look_like_those_of_aws() -> None:
    identifiers = {new_access_key_id() for _ in range(100)}
    assert len(identifiers) == 100
    assert all(len(text) == 20 and text.startswith("AKIA") and text.isupper() for text in identifiers)
    assert all(text.isalnum() for text in identifiers)
    assert len(new_secret_access_key()) == 40
    assert new_secret_access_key() != new_secret_access_key()


def test_the_key_file_is_made_for_its_owner_alone_and_read_again(tmp_path: Path) -> None:
    file = tmp_path / "master.key"
    (key,) = load_master_keys(file)
    assert len(key) == 32
    assert file.stat().st_mode & 0o777 == 0o600
    assert load_master_keys(file) == (key,)
    assert [path.name for path in tmp_path.iterdir()] == ["master.key"]


def test_processes_that_start_together_agree_on_one_key(tmp_path: Path) -> None:
    keys: list[bytes] = []
    threads = [
        threading.Thread(target=lambda: keys.extend(load_master_keys(tmp_path / "master.key"))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(keys) == 8
    assert len(set(keys)) == 1


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644])
def test_a_key_file_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    file = tmp_path / "master.key"
    load_master_keys(file)
    file.chmod(mode)
    with pytest.raises(MasterKeyError, match="chmod 600"):
        load_master_keys(file)


def test_a_key_is_given_in_base64_or_hex() -> None:
    key = bytes(range(32))
    assert parse_master_key(f" {base64.b64encode(key).decode()}\n") == key
    assert parse_master_key(key.hex()) == key


@pytest.mark.parametrize("text", ["", "secret", "é" * 64, "00" * 31, "zz" * 32, base64.b64encode(bytes(31)).decode()])
def test_what_is_no_key_is_refused_with_the_way_to_make_one(text: str) -> None:
    with pytest.raises(MasterKeyError, match="openssl rand -base64 32"):
        parse_master_key(text)

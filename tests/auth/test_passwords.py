"""Passwords: hashed with Argon2id, each with its own salt."""

from __future__ import annotations

import asyncio
import os
import sys
import threading

import pytest
from argon2 import PasswordHasher

from s3gw.auth.passwords import Passwords, hash_password, is_outdated, verify_password
from s3gw.problems import RateLimited


def test_a_password_is_verified_against_its_hash() -> None:
    hashed = hash_password("correct horse")
    assert hashed.startswith("$argon2id$")
    assert verify_password(hashed, "correct horse")
    assert not verify_password(hashed, "battery staple")


def test_equal_passwords_have_different_hashes() -> None:
    assert hash_password("same") != hash_password("same")


def test_what_is_no_hash_verifies_nothing() -> None:
    assert not verify_password("", "")
    assert not verify_password("plain", "plain")
    assert not verify_password(None, "")


def test_a_hash_of_other_parameters_is_outdated() -> None:
    assert not is_outdated(hash_password("password"))
    assert is_outdated(PasswordHasher(time_cost=1, memory_cost=8192, parallelism=1).hash("password"))


@pytest.mark.anyio
async def test_64_may_wait_to_be_hashed_and_no_more_but_for_those_who_are_known() -> None:
    """Nor are they behind the others."""
    passwords = Passwords()
    waiting = [asyncio.ensure_future(passwords.verify(None, "guess")) for _ in range(66)]
    try:
        await asyncio.sleep(0)
        with pytest.raises(RateLimited):
            await waiting[65]
        waiting += [asyncio.ensure_future(passwords.verify(None, "guess", is_known=True)) for _ in range(65)]
        await asyncio.sleep(0)
        with pytest.raises(RateLimited):
            await waiting[-1]
        assert not await waiting[66]
        assert not await waiting[0]
        assert not any(guess.done() for guess in waiting[1:65])
    finally:
        passwords.close()
        await asyncio.gather(*waiting, return_exceptions=True)


@pytest.mark.anyio
async def test_who_stops_waiting_gives_the_turn_on() -> None:
    passwords = Passwords()
    waiting = [asyncio.ensure_future(passwords.verify(None, "guess")) for _ in range(4)]
    try:
        await asyncio.sleep(0)
        for gone in waiting[:3]:  # the one whose turn it is, and two who wait
            gone.cancel()
        assert not await waiting[3]
        assert not await passwords.verify(None, "guess")
    finally:
        passwords.close()
        await asyncio.gather(*waiting, return_exceptions=True)


@pytest.mark.skipif(sys.platform != "linux", reason="a nice value of each thread is Linux's")
@pytest.mark.anyio
async def test_requests_come_before_hashing() -> None:
    passwords = Passwords()
    try:
        assert not await passwords.verify(None, "guess")
        (thread,) = [thread for thread in threading.enumerate() if thread.name.startswith("passwords")]
        assert thread.native_id is not None
        own = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
        assert os.getpriority(os.PRIO_PROCESS, thread.native_id) > own
    finally:
        passwords.close()

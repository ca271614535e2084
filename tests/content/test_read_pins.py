"""Pins: the oldest one holds the reaper back, until what it needs is published."""

from __future__ import annotations

import pytest

from s3gw.content.read_pins import Needs, ReadPins, needs_of


def test_the_epoch_of_the_oldest_pin_is_published() -> None:
    pins = ReadPins(7)
    assert pins.oldest() == 7
    first = pins.open()
    pins.epoch = 9
    second = pins.open()
    assert pins.oldest() == 7
    first.close()
    assert pins.oldest() == 9
    pins.epoch = 10
    assert pins.oldest() == 9
    second.close()
    second.close()
    assert pins.oldest() == 10


def test_an_epoch_that_goes_back_is_no_excuse() -> None:
    """A database was restored from a backup."""
    pins = ReadPins(50)
    pins.open()
    pins.epoch = 40
    pins.open()
    assert pins.oldest() == 40


def test_a_pin_ends_with_its_block() -> None:
    pins = ReadPins()
    with pins.open():
        assert len(pins) == 1
    assert len(pins) == 0
    with pytest.raises(RuntimeError), pins.open():
        raise RuntimeError
    assert len(pins) == 0


def test_a_pin_that_was_passed_on_outlives_its_block_and_keeps_what_it_knows() -> None:
    pins = ReadPins(3)
    with pins.open() as pin:
        pin.keep_content(5)
        heir = pin.pass_on()
        pins.epoch = 9
        with pytest.raises(KeyError):
            pin.pass_on()
    assert (len(pins), pins.oldest(), heir.content) == (1, 3, 5)
    heir.close()
    assert len(pins) == 0


def test_only_a_pin_that_knows_its_needs_and_lasts_is_lasting() -> None:
    young, old = ReadPins(lasting=3600), ReadPins(lasting=0)
    for pins in (young, old):
        pins.open()
        pins.open().keep_content(1)
        pins.open().keep_blob(b"digest")
    assert young.lasting() == []
    assert needs_of(old.lasting()) == Needs(frozenset({1}), frozenset({b"digest"}))


def test_a_published_pin_holds_back_no_epoch_and_stays_lasting() -> None:
    pins = ReadPins(1, lasting=3600)
    pin = pins.open()
    pin.keep_content(1)
    pins.epoch = 4
    pin.is_published = True
    assert (pins.oldest(), pins.lasting()) == (4, [pin])


def test_needs_come_in_batches_that_are_all_of_them() -> None:
    needs = Needs(frozenset(range(25)), frozenset(bytes([number]) for number in range(7)))
    batches = list(needs.batches(10))
    assert [len(batch.contents) for batch in batches] == [10, 10, 5]
    whole = Needs()
    for batch in batches:
        whole = whole.with_all(batch)
    assert whole == needs
    assert whole.without(batches[0]).contents == batches[1].contents | batches[2].contents
    assert list(Needs().batches(10)) == []

"""Ctrl-C is seen at once, and its handler is called as ever."""

from __future__ import annotations

import signal
import threading

import pytest

from distributed_iac.cli.system import interrupts


def test_an_interrupt_is_told_once_and_still_handled() -> None:
    handled: list[int] = []
    before = signal.signal(signal.SIGINT, lambda *came: handled.append(came[0]))
    try:
        with interrupts() as pressed:
            assert not pressed()
            signal.raise_signal(signal.SIGINT)
            assert pressed()
            assert not pressed()
    finally:
        signal.signal(signal.SIGINT, before)
    assert handled == [signal.SIGINT]


def test_other_signals_are_none() -> None:
    before = signal.signal(signal.SIGUSR2, lambda *_: None)
    try:
        with interrupts() as pressed:
            signal.raise_signal(signal.SIGUSR2)
            assert not pressed()
    finally:
        signal.signal(signal.SIGUSR2, before)


def test_who_watched_before_watches_again() -> None:
    # Set here: a shell starts programs in the background with SIGINT ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with interrupts() as outer:
            with interrupts():
                pass
            with pytest.raises(KeyboardInterrupt):
                signal.raise_signal(signal.SIGINT)
            assert outer()
    finally:
        signal.signal(signal.SIGINT, before)


def test_outside_the_main_thread_nothing_is_watched() -> None:
    told: list[bool] = []

    def watch() -> None:
        with interrupts() as pressed:
            told.append(pressed())

    thread = threading.Thread(target=watch)
    thread.start()
    thread.join()
    assert told == [False]

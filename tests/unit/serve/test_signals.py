from __future__ import annotations

import signal
import threading

from hilum.serve.signals import arriving


def test_signals_come_in_their_order_and_none_is_lost_before_anybody_waits() -> None:
    with arriving((signal.SIGUSR1, signal.SIGUSR2)) as signals:
        signal.raise_signal(signal.SIGUSR1)
        signal.raise_signal(signal.SIGUSR2)
        assert [signals.next(), signals.next()] == [signal.SIGUSR1, signal.SIGUSR2]


def test_a_signal_that_another_thread_got_wakes_the_main_thread() -> None:
    with arriving((signal.SIGUSR1,)) as signals:
        thread = threading.Thread(target=lambda: signal.pthread_kill(threading.get_ident(), signal.SIGUSR1))
        thread.start()
        assert signals.next() == signal.SIGUSR1
        thread.join()


def test_afterwards_handlers_are_as_they_were() -> None:
    before = signal.getsignal(signal.SIGUSR1)
    with arriving((signal.SIGUSR1,)):
        assert signal.getsignal(signal.SIGUSR1) is not before
    assert signal.getsignal(signal.SIGUSR1) is before
    woken = signal.set_wakeup_fd(-1)
    assert woken == -1

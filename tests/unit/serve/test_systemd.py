"""What the environment says of a service manager."""

from __future__ import annotations

import os
from datetime import timedelta

import pytest

from hilum.serve.systemd import ServiceManager


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, ServiceManager()),
        ({"NOTIFY_SOCKET": "/run/n"}, ServiceManager(address="/run/n")),
        ({"NOTIFY_SOCKET": "@n"}, ServiceManager(address="@n")),
        ({"NOTIFY_SOCKET": "vsock:2:1"}, ServiceManager()),
        (
            {"NOTIFY_SOCKET": "/run/n", "WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())},
            ServiceManager(address="/run/n", watchdog=timedelta(seconds=30)),
        ),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, ServiceManager()),
        ({"WATCHDOG_USEC": "-1"}, ServiceManager()),
        ({"WATCHDOG_USEC": "0"}, ServiceManager()),
    ],
)
def test_the_environment_says_who_wants_to_hear(environ: dict[str, str], expected: ServiceManager) -> None:
    assert ServiceManager.of(environ) == expected

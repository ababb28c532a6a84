"""What this process may use, and what the kernel lets it do.

Once the cage is closed it can compute, use memory, read the descriptors it is given and answer; it can open no file,
make no socket, start nothing and signal nobody. What is not in the list is answered with EPERM and not with death, so
that a library that asks for something it can do without goes on.

Source: Linux, Documentation/userspace-api/seccomp_filter.rst; numbers from arch/x86/entry/syscalls/syscall_64.tbl.
"""

from __future__ import annotations

import ctypes
import os
import platform
import resource
import signal
import struct
from contextlib import suppress
from typing import Final

#: Processor time of the whole life of a process; then the gateway starts another one.
_LIFE_SECONDS: Final = 3600

#: system calls of x86-64 that decoding needs, and that can touch nothing outside.
_ALLOWED: Final = {
    "read": 0, "write": 1, "close": 3, "fstat": 5, "poll": 7, "lseek": 8, "mmap": 9, "mprotect": 10, "munmap": 11,
    "brk": 12, "rt_sigaction": 13, "rt_sigprocmask": 14, "rt_sigreturn": 15, "pread64": 17, "readv": 19, "writev": 20,
    "sched_yield": 24, "mremap": 25, "madvise": 28, "nanosleep": 35, "setitimer": 38, "getpid": 39, "sendto": 44,
    "recvfrom": 45, "sendmsg": 46, "recvmsg": 47, "exit": 60, "gettimeofday": 96, "getrusage": 98, "sigaltstack": 131,
    "gettid": 186, "futex": 202, "sched_getaffinity": 204, "restart_syscall": 219, "clock_gettime": 228,
    "clock_getres": 229, "clock_nanosleep": 230, "exit_group": 231, "newfstatat": 262, "ppoll": 271, "getcpu": 309,
    "getrandom": 318, "membarrier": 324, "statx": 332, "rseq": 334,
}  # fmt: skip
_AUDIT_ARCH_X86_64: Final = 0xC000003E

_PR_SET_DUMPABLE: Final = 4
_PR_SET_SECCOMP: Final = 22
_PR_SET_NO_NEW_PRIVS: Final = 38
_SECCOMP_MODE_FILTER: Final = 2

# Classic BPF: load a word of struct seccomp_data; jump if equal; answer.
_LOAD: Final = 0x20
_JUMP_IF_EQUAL: Final = 0x15
_ANSWER: Final = 0x06
_OFFSET_NUMBER: Final = 0
_OFFSET_ARCHITECTURE: Final = 4
_ALLOW: Final = 0x7FFF0000
_EPERM: Final = 0x00050001
_KILL: Final = 0x80000000


def modest() -> None:
    """Let everything else on the machine go first, and be the first to go when memory is short."""
    with suppress(OSError):
        os.nice(10)
    with suppress(OSError), open("/proc/self/oom_score_adj", "w", encoding="ascii") as file:  # noqa: PTH123
        file.write("1000")


def limit(memory: int, descriptors: int) -> None:
    """Limits that cannot be raised again.

    Args:
        memory: Address space, bytes.
        descriptors: One more than the highest that may be open.
    """
    for what, most in (
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_DATA, memory),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NPROC, 0),
        (resource.RLIMIT_NOFILE, descriptors),
        (resource.RLIMIT_CPU, _LIFE_SECONDS),
    ):
        _, hard = resource.getrlimit(what)
        value = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(what, (value, value))
    # A write beyond RLIMIT_FSIZE shall fail, not kill.
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)


def close() -> bool:
    """Close the cage for good; ``False``: this machine has no such cage, the limits alone hold.

    Raises:
        OSError: The kernel refuses what it should be able to do.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    _prctl(libc, _PR_SET_NO_NEW_PRIVS, 1)
    _prctl(libc, _PR_SET_DUMPABLE, 0)
    if platform.machine() != "x86_64" or struct.calcsize("P") != 8:
        return False
    program = _program()
    code = ctypes.create_string_buffer(program, len(program))
    filter_of = struct.pack("@HxxxxxxP", len(program) // 8, ctypes.addressof(code))
    try:
        _prctl(libc, _PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.c_char_p(filter_of))
    except OSError:
        return False
    return True


def _prctl(libc: ctypes.CDLL, option: int, *values: object) -> None:
    rest = [value if isinstance(value, ctypes.c_char_p) else ctypes.c_ulong(int(str(value))) for value in values]
    rest += [ctypes.c_ulong(0)] * (4 - len(rest))
    if libc.prctl(ctypes.c_int(option), *rest) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"prctl({option}): {os.strerror(number)}")


def _program() -> bytes:
    """The filter, as an array of ``struct sock_filter``."""
    numbers = sorted(_ALLOWED.values())
    steps = [(_LOAD, 0, 0, _OFFSET_ARCHITECTURE), (_JUMP_IF_EQUAL, 1, 0, _AUDIT_ARCH_X86_64), (_ANSWER, 0, 0, _KILL)]
    steps.append((_LOAD, 0, 0, _OFFSET_NUMBER))
    # Numbers of the x32 interface have bit 30 set, and so equal none of these.
    steps += [(_JUMP_IF_EQUAL, len(numbers) - place, 0, number) for place, number in enumerate(numbers)]
    steps += [(_ANSWER, 0, 0, _EPERM), (_ANSWER, 0, 0, _ALLOW)]
    return b"".join(struct.pack("=HBBI", *step) for step in steps)

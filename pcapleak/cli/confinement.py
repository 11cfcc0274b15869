"""What an analysis may touch, enforced by the kernel: Landlock (Linux 5.13 and later).

A capture is a stranger's file, read by libraries that may have faults. After `confine` this
process and its children read only what was named and what programs consist of, write only what
was asked for, and open no TCP connection (from Linux 6.7 on), whatever they are talked into.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Final

OWN_PROCESS: Final = "own process"
"""What the command line's context holds where the process is its own to confine, which it is
not where a program calls a command."""

_CREATE_RULESET: Final = 444
_ADD_RULE: Final = 445
_RESTRICT_SELF: Final = 446
"""System calls, the same on every architecture (Linux, include/uapi/asm-generic/unistd.h)."""
_VERSION_FLAG: Final = 1
_PATH_BENEATH: Final = 1
_NO_NEW_PRIVILEGES: Final = 38

# Rights by bit: include/uapi/linux/landlock.h.
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_REMOVE_FILE, _MAKE_DIR, _MAKE_REG = 1 << 5, 1 << 7, 1 << 8
_TRUNCATE = 1 << 14
_ALL_OF_VERSION = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1}
"""What can be forbidden: version 2 added moving files, version 3 truncation."""
_TCP = 3
_TCP_VERSION = 4

_READ = _READ_FILE | _READ_DIR
_FILE_RIGHTS = _EXECUTE | _READ_FILE | _WRITE_FILE | _TRUNCATE
"""What a rule on a file, not a folder, may grant."""

_SYSTEM = ("/usr", "/lib", "/lib32", "/lib64", "/bin", "/sbin", "/etc", "/proc", "/sys", "/dev",
           "/opt", "/nix", "/gnu")  # fmt: skip
"""Where programs, their libraries and settings are; tshark is started from there."""
_SHARED = "/dev/shm"  # noqa: S108  semaphores of worker processes
_NULL = "/dev/null"


class _Ruleset(ctypes.Structure):
    _fields_ = (("fs", ctypes.c_uint64), ("net", ctypes.c_uint64))


class _Beneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("access", ctypes.c_uint64), ("parent", ctypes.c_int32))


def confine(read: Iterable[Path], write: Iterable[Path]) -> str | None:
    """Confine this process for good to reading `read` and writing `write`, files or folders.

    What is to be written must be there: a file may be overwritten, in a folder everything made.
    None where that is done, or why it cannot be.
    """
    if sys.platform != "linux":
        return "only Linux can confine a process so"
    libc = ctypes.CDLL(None, use_errno=True)
    version = libc.syscall(_CREATE_RULESET, None, 0, _VERSION_FLAG)
    if version < 1:
        return "this kernel has no Landlock, or it is switched off"
    handled = _ALL_OF_VERSION[min(version, 3)]
    rules = _Ruleset(handled, _TCP if version >= _TCP_VERSION else 0)
    size = ctypes.sizeof(rules) if version >= _TCP_VERSION else 8
    ruleset = libc.syscall(_CREATE_RULESET, ctypes.byref(rules), size, 0)
    if ruleset < 0:
        return os.strerror(ctypes.get_errno())
    try:
        for path in {*map(Path, _SYSTEM), *_program()}:
            _allow(libc, ruleset, path, (_READ | _EXECUTE) & handled)
        for path in read:
            _allow(libc, ruleset, path, _READ & handled)
        rights = _READ | _WRITE_FILE | _TRUNCATE | _MAKE_REG | _MAKE_DIR | _REMOVE_FILE
        for path in (*write, Path(_SHARED), Path(_NULL)):
            _allow(libc, ruleset, path, rights & handled)
        if libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0) or libc.syscall(_RESTRICT_SELF, ruleset, 0):
            return os.strerror(ctypes.get_errno())
    finally:
        os.close(ruleset)
    return None


def _program() -> set[Path]:
    """Where this program and its libraries are."""
    places = {sys.prefix, sys.base_prefix, sys.exec_prefix, str(Path(__file__).parent), *sys.path}
    return {Path(place) for place in places if place}


def _allow(libc: ctypes.CDLL, ruleset: int, path: Path, rights: int) -> None:
    """Grant `rights` beneath `path`; what is not there needs none."""
    try:
        handle = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        if not path.is_dir():
            rights &= _FILE_RIGHTS
        rule = _Beneath(rights, handle)
        libc.syscall(_ADD_RULE, ruleset, _PATH_BENEATH, ctypes.byref(rule), 0)
    finally:
        os.close(handle)

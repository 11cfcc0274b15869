"""What a command may do once it reads strangers' bytes, enforced by the kernel.

A capture is a stranger's file, read by libraries that may have faults. After `confine` this
process and its children read only what was named and what programs consist of, write only where
they were told to, and (by Landlock of the newest kind the kernel has, and seccomp) open no
socket, start no program but those named, and signal or trace no other process, whatever they are
talked into. docs/security.md has the table.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import struct
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
_SET_SECCOMP: Final = 22
_SECCOMP_FILTER: Final = 2

# Rights by bit: include/uapi/linux/landlock.h.
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_REMOVE_FILE, _MAKE_DIR, _MAKE_REG = 1 << 5, 1 << 7, 1 << 8
_TRUNCATE = 1 << 14
_FILES: Final = ((1, (1 << 13) - 1), (2, 1 << 13), (3, 1 << 14), (5, 1 << 15))
"""What of files each version can forbid beside those before it: all but moving, truncating and
device commands from the first on."""
_NETWORK: Final = ((4, 3),)
"""Binding and connecting TCP."""
_SCOPES: Final = ((6, 3),)
"""Abstract sockets of others, and signals to others."""

_READ = _READ_FILE | _READ_DIR
_FILE_RIGHTS = _EXECUTE | _READ_FILE | _WRITE_FILE | _TRUNCATE
"""What a rule on a file, not a folder, may grant."""

_SYSTEM = (
    "/usr", "/lib", "/lib32", "/lib64", "/bin", "/sbin", "/opt", "/nix", "/gnu",
    "/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d", "/etc/localtime",
    "/etc/timezone", "/etc/mime.types", "/etc/os-release", "/etc/services", "/etc/protocols",
    "/etc/wireshark", "/etc/alternatives", "/proc/self", "/proc/cpuinfo", "/proc/meminfo",
    "/proc/stat", "/proc/sys", "/sys/devices/system", "/sys/fs/cgroup", "/dev/null",
    "/dev/zero", "/dev/random", "/dev/urandom",
)  # fmt: skip
"""Where programs and libraries are, and the settings they read; no secrets are among them."""
WATCHED = tuple(map(Path, ("/sys/class/net", "/sys/devices", "/etc/passwd", "/etc/nsswitch.conf")))
"""What a watch reads beside: what links are, and what users are called."""
_SHARED = "/dev/shm"  # noqa: S108  semaphores of worker processes
_NULL = "/dev/null"
_LOADERS = ("/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux-aarch64.so.1", "/lib/ld-musl-x86_64.so.1")

# System calls refused by number: x86-64, and those of aarch64 and all newer ones.
_MACHINES: Final = {"x86_64": (0xC000003E, 0), "aarch64": (0xC00000B7, 1)}
_NEVER: Final = {
    "socket": (41, 198), "ptrace": (101, 117), "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271), "mount": (165, 40), "unshare": (272, 97),
    "setns": (308, 268), "init_module": (175, 105), "finit_module": (313, 273),
    "bpf": (321, 280), "userfaultfd": (323, 282), "perf_event_open": (298, 241),
    "keyctl": (250, 219), "add_key": (248, 217), "io_uring_setup": (425, 425),
    "pidfd_getfd": (438, 438), "kexec_load": (246, 104), "syslog": (103, 116),
}  # fmt: skip
_NETLINK: Final = 16
_EXEC: Final = {"execve": (59, 221), "execveat": (322, 281)}


class _Ruleset(ctypes.Structure):
    _fields_ = (
        ("fs", ctypes.c_uint64),
        ("net", ctypes.c_uint64),
        ("scoped", ctypes.c_uint64),
    )


class _Beneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("access", ctypes.c_uint64), ("parent", ctypes.c_int32))


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_uint16), ("filter", ctypes.c_char_p))


def confine(
    read: Iterable[Path], write: Iterable[Path], run: Iterable[str] = (), *, spawn: bool = False
) -> str | None:
    """Confine this process for good.

    It reads `read` and what programs consist of, writes to `write` (a file may be overwritten,
    in a folder everything made) and to what is open already, and starts the programs `run`, and
    with `spawn` itself anew. What is to be read or written must be there. None where that is
    done, or why it cannot be.
    """
    return Confinement(read, write, run, spawn=spawn).enter()


class Confinement:
    """What a process may do, made ready while it can still reach what is named, and entered once
    it has given up its other rights. As for `confine`; with `watching` it may ask the kernel about
    links and addresses."""

    def __init__(
        self,
        read: Iterable[Path],
        write: Iterable[Path],
        run: Iterable[str] = (),
        *,
        spawn: bool = False,
        watching: bool = False,
    ) -> None:
        self._watching = watching
        self._programs: list[str] = []
        self._ruleset = -1
        self._hindrance: str | None = "only Linux can confine a process this way"
        if sys.platform == "linux":
            self._programs += [path for name in run if (path := shutil.which(name)) is not None]
            self._programs += [sys.executable] if spawn else []
            self._libc = ctypes.CDLL(None, use_errno=True)
            self._hindrance = self._prepare(read, write)

    def _prepare(self, read: Iterable[Path], write: Iterable[Path]) -> str | None:
        libc = self._libc
        version = libc.syscall(_CREATE_RULESET, None, 0, _VERSION_FLAG)
        if version < 1:
            return "this kernel has no Landlock, or it is switched off"
        handled, network, scoped = (
            sum(bits for since, bits in kinds if since <= version)
            for kinds in (_FILES, _NETWORK, _SCOPES)
        )
        rules = _Ruleset(handled, network, scoped)
        size = 24 if scoped else 16 if network else 8
        self._ruleset = libc.syscall(_CREATE_RULESET, ctypes.byref(rules), size, 0)
        if self._ruleset < 0:
            return os.strerror(ctypes.get_errno())
        os.set_inheritable(self._ruleset, False)
        for path in {*map(Path, _SYSTEM), *_own_places(), *read}:
            _allow(libc, self._ruleset, path, _READ & handled)
        rights = _READ | _WRITE_FILE | _TRUNCATE | _MAKE_REG | _MAKE_DIR | _REMOVE_FILE
        for path in (*write, Path(_SHARED), Path(_NULL)):
            _allow(libc, self._ruleset, path, rights & handled)
        for name in (*self._programs, *(_LOADERS if self._programs else ())):
            _allow(libc, self._ruleset, Path(name), (_READ_FILE | _EXECUTE) & handled)
        return None

    def enter(self) -> str | None:
        """Confine this process for good; gives why it cannot be."""
        if self._hindrance is not None:
            return self._hindrance
        libc = self._libc
        try:
            refused = libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0)
            if refused or libc.syscall(_RESTRICT_SELF, self._ruleset, 0):
                return os.strerror(ctypes.get_errno())
        finally:
            os.close(self._ruleset)
        _restrict_calls(libc, may_execute=bool(self._programs), may_ask=self._watching)
        return None


def _restrict_calls(libc: ctypes.CDLL, *, may_execute: bool, may_ask: bool) -> None:
    """Refuse the system calls that analysis has no use for; no other machine is known here."""
    machine = _MACHINES.get(os.uname().machine)
    if machine is None or sys.maxsize < 1 << 32:
        return
    architecture, column = machine
    never = _NEVER | ({} if may_execute else _EXEC)
    # Asked for netlink, the kernel gives a socket that reaches nothing but itself.
    asking = never.pop("socket")[column] if may_ask else 0
    refused = [numbers[column] for numbers in never.values()]
    # Classic BPF over struct seccomp_data: the number at 0, the architecture at 4, the first
    # argument at 16.
    load, equal, more, end = 0x20, 0x15, 0x35, 0x06
    refuse, allow, kill = 0x0005_0000 | 1, 0x7FFF_0000, 0x8000_0000  # EPERM
    count = len(refused)
    program = [(load, 0, 0, 4), (equal, 1, 0, architecture), (end, 0, 0, kill), (load, 0, 0, 0)]
    if column == 0:  # The numbers of the x32 calls
        program.append((more, count + 1 + 4 * may_ask, 0, 0x4000_0000))
    if may_ask:
        program += [(equal, 0, 3, asking), (load, 0, 0, 16), (equal, 0, count + 2, _NETLINK)]
        program.append((end, 0, 0, allow))
    for at, number in enumerate(refused):
        program.append((equal, count - at, 0, number))
    program += [(end, 0, 0, allow), (end, 0, 0, refuse)]
    code = b"".join(struct.pack("=HBBI", *instruction) for instruction in program)
    libc.prctl(_SET_SECCOMP, _SECCOMP_FILTER, ctypes.byref(_Program(len(program), code)), 0, 0)


def _own_places() -> set[Path]:
    """Where this program and its libraries are."""
    places = {sys.prefix, sys.base_prefix, sys.exec_prefix, str(Path(__file__).parent), *sys.path}
    return {Path(place) for place in places if place}


def _allow(libc: ctypes.CDLL, ruleset: int, path: Path, rights: int) -> None:
    """Grant `rights` beneath `path`; what is not there needs none."""
    try:
        handle = os.open(path, os.O_PATH)
    except OSError:
        return
    try:
        if not path.is_dir():
            rights &= _FILE_RIGHTS
        rule = _Beneath(rights, handle)
        libc.syscall(_ADD_RULE, ruleset, _PATH_BENEATH, ctypes.byref(rule), 0)
    finally:
        os.close(handle)

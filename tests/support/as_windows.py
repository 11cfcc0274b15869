"""Runs the command as Windows would: without what only Unix has, with what Windows has instead.

`PCAPLEAK_ADAPTERS` holds Windows' adapters in the form of scapy's `get_windows_if_list` (JSON):
a device of this machine that Npcap would call by an adapter's GUID is then called by its name.
"""

from __future__ import annotations

import asyncio  # noqa: F401
import ctypes
import json
import mmap
import multiprocessing  # noqa: F401
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import types
from typing import Any

import numpy  # noqa: F401  (what asks for the system while it is loaded asks for the real one)
import psutil
import rich.console  # noqa: F401
import scapy.arch.linux.rtnetlink
import scapy.route
import scapy.route6
import typer.completion  # noqa: F401

UNIX_ONLY = {"fcntl", "grp", "pty", "pwd", "resource", "syslog", "termios", "tty"}
ADAPTERS = json.loads(os.environ.get("PCAPLEAK_ADAPTERS", "[]"))


class Missing:
    """Finds no module that is Unix's alone."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        if name in UNIX_ONLY:
            raise ImportError(f"{name} is of Unix")


def take_away() -> None:
    # What asks for Linux's routes in the place of Windows' goes on to.
    scapy.arch.linux.rtnetlink.socket = types.SimpleNamespace(**vars(socket))
    sys.meta_path.insert(0, Missing())  # type: ignore[arg-type]
    for name in UNIX_ONLY:
        sys.modules.pop(name, None)
    for module, names in (
        (mmap, ("MADV_DONTNEED", "MADV_SEQUENTIAL", "MADV_WILLNEED")),
        (os, ("O_CLOEXEC", "O_DIRECTORY", "O_NONBLOCK", "O_PATH", "fchmod", "fchown", "fork",
              "geteuid", "getgroups", "getuid", "killpg", "memfd_create", "nice",
              "posix_fallocate", "pwrite", "sched_setscheduler", "set_blocking", "setgroups",
              "setsid", "setuid", "sysconf", "uname", "wait4", "writev")),
        (select, ("epoll", "poll")),
        (signal, ("SIGALRM", "SIGHUP", "SIGKILL", "SIGPIPE", "SIGUSR1")),
        (socket, ("AF_NETLINK", "AF_PACKET", "AF_UNIX")),
    ):  # fmt: skip
        for name in names:
            delattr(module, name)


def give(platform: str) -> None:
    """What is otherwise there; `platform` is where this runs."""
    signal.SIGBREAK = signal.Signals(10)  # type: ignore[attr-defined]
    signal.CTRL_BREAK_EVENT = signal.SIGTERM  # type: ignore[attr-defined]
    subprocess.CREATE_NEW_PROCESS_GROUP = 0  # type: ignore[attr-defined]
    opens, selects, finds, library = os.open, select.select, shutil.which, ctypes.CDLL

    def open_file(path: Any, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        if dir_fd is not None:
            raise NotImplementedError("dir_fd unavailable on this platform")
        if os.path.isdir(path):
            raise PermissionError(13, "Permission denied", path)
        return opens(path, flags, mode)

    def select_sockets(*asked: Any) -> Any:
        if not all(isinstance(one, socket.socket) for files in asked[:3] for one in files):
            raise OSError(10038, "an operation was attempted on something that is not a socket")
        return selects(*asked)

    def which(name: str) -> str | None:
        sys.platform = platform
        try:
            return finds(name)
        finally:
            sys.platform = "win32"

    def load(name: str | None, *arguments: Any, **named: Any) -> Any:
        if name is None:
            raise TypeError("no library is called None")
        return library(name, *arguments, **named)

    os.open, select.select, shutil.which = open_file, select_sockets, which  # type: ignore[assignment]
    ctypes.CDLL = load  # type: ignore[assignment,misc]


def rename() -> None:
    """Call devices what Windows calls them, and tell no flags of them."""
    names = {rf"\Device\NPF_{one['guid']}": one["name"] for one in ADAPTERS}
    names["lo"] = "Loopback Pseudo-Interface 1"
    addresses, states = psutil.net_if_addrs, psutil.net_if_stats
    windows = types.ModuleType("scapy.arch.windows")
    windows.get_windows_if_list = lambda: ADAPTERS  # type: ignore[attr-defined]
    sys.modules["scapy.arch.windows"] = windows
    psutil.net_if_addrs = lambda: {
        names.get(name, name): told for name, told in addresses().items()
    }
    psutil.net_if_stats = lambda: {
        names.get(name, name): told._replace(flags="") for name, told in states().items()
    }


if __name__ == "__main__":
    rename()
    take_away()
    give(sys.platform)
    sys.platform = "win32"
    from pcapleak.cli import main

    main()

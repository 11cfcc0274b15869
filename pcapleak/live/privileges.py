"""Giving up root for good, once the sockets are open (capabilities(7), prctl(2))."""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path
from typing import NamedTuple

from pcapleak.errors import PcapleakError

PR_CAPBSET_DROP = 24
PR_SET_NO_NEW_PRIVS = 38
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_CLEAR_ALL = 4
CAPABILITY_VERSION_3 = 0x20080522
CAP_NET_ADMIN = 12
CAPABILITIES = 64
"""Numbers a capability may have: two words of 32 bits."""


class User(NamedTuple):
    """Whom a watch runs as once it has what it needs."""

    uid: int
    gid: int
    name: str


def ordinary_user() -> User | None:
    """Who to become: the user behind sudo, else nobody; None where this is not root, nor Unix."""
    if sys.platform == "win32" or os.geteuid() != 0:
        return None
    import pwd

    uid, gid = os.environ.get("SUDO_UID", ""), os.environ.get("SUDO_GID", "")
    if uid.isdecimal() and gid.isdecimal() and int(uid) > 0:
        return User(int(uid), int(gid), os.environ.get("SUDO_USER", uid))
    try:
        nobody = pwd.getpwnam("nobody")
    except KeyError:
        return User(65534, 65534, "nobody")
    return User(nobody.pw_uid, nobody.pw_gid, "nobody")


def drop_privileges(user: User | None) -> None:
    """Become `user`, without groups, capabilities, or a way back.

    None, where this is no root: then only the capabilities go; on Windows nothing does. Call it
    before any thread is started. Raises `PcapleakError` where rights are left that should not be.
    """
    if sys.platform == "win32":
        return
    if sys.platform != "linux":
        if user is not None:
            os.setgroups([])
            os.setgid(user.gid)
            os.setuid(user.uid)
        return
    libc = ctypes.CDLL(None, use_errno=True)
    if user is not None:
        for number in range(CAPABILITIES):
            # Numbers this kernel does not know are refused: there is nothing to drop.
            libc.prctl(PR_CAPBSET_DROP, number, 0, 0, 0)
        os.setgroups([])
        os.setresgid(user.gid, user.gid, user.gid)
        os.setresuid(user.uid, user.uid, user.uid)
    libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0)
    libc.capset(header, (ctypes.c_uint32 * 6)())
    libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    _verify(user)


def keep_network_settings() -> None:
    """Of root keep the right to read what tunnels are set to (`CAP_NET_ADMIN`), and no other, nor
    a way to gain one.

    Raises `PcapleakError` where others are left.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    for number in range(CAPABILITIES):
        if number != CAP_NET_ADMIN:
            libc.prctl(PR_CAPBSET_DROP, number, 0, 0, 0)
    os.setgroups([])
    libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0)
    kept = 1 << CAP_NET_ADMIN
    libc.capset(header, (ctypes.c_uint32 * 6)(kept, kept, 0, 0, 0, 0))
    libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    status = _status()
    if any(int(status[name][0], 16) & ~kept for name in ("CapEff", "CapPrm", "CapBnd")):
        raise PcapleakError("live: rights could not be dropped")


def _status() -> dict[str, list[str]]:
    lines = Path("/proc/self/status").read_text().splitlines()
    return {name: value.split() for name, _, value in (line.partition(":") for line in lines)}


def _verify(user: User | None) -> None:
    status = _status()
    left = [name for name in ("CapEff", "CapPrm", "CapInh") if int(status[name][0], 16)]
    if user is not None and status["Uid"] != [str(user.uid)] * 4:
        left.append("Uid")
    if status["NoNewPrivs"] != ["1"]:
        left.append("NoNewPrivs")
    if left:
        raise PcapleakError(
            f"live: rights could not be dropped ({', '.join(left)}); run it as a user with "
            "cap_net_raw, or pipe a capture in with --via -"
        )

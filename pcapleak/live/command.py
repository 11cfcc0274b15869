"""The command that `guard` runs: as a user of its own, with nothing of the watch's in its reach."""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import socket
import struct
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from pcapleak.errors import PcapleakError
from pcapleak.live.privileges import (
    CAPABILITY_VERSION_3,
    PR_SET_NO_NEW_PRIVS,
    User,
    ordinary_user,
)

KEPT = frozenset(
    {
        *("DISPLAY", "LANG", "LANGUAGE", "PATH", "TERM", "TZ", "WAYLAND_DISPLAY", "XAUTHORITY"),
        *("ALL_PROXY", "FTP_PROXY", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "SOCKS_PROXY"),
        *("SSL_CERT_DIR", "SSL_CERT_FILE", "XDG_RUNTIME_DIR"),
    }
)
"""What a command gets of the environment, in capitals or small letters, beside LC_*."""
GRACE_S = 2.0
"""Between asking a command to end and ending it."""
POLL_S = 0.02
_CAP_KILL = 5
APART = User(65533, 65533, "65533")
"""Whom a watch runs as where its command has the user that it would be: nobody's number but one,
which no system gives away."""


def command_user(name: str | None) -> User | None:
    """Whom a command runs as: `name`, or the user behind sudo, or nobody; None where this is no
    root, so that there is no choice.

    Raises `PcapleakError` for a name that does not exist or may not be taken.
    """
    if name is None:
        return ordinary_user()
    import pwd

    try:
        known = pwd.getpwnam(name)
    except KeyError:
        raise PcapleakError(f"--user {name}: there is no such user") from None
    if os.geteuid() not in (0, known.pw_uid):
        raise PcapleakError(f"--user {name}: only root may run a command as another user")
    return User(known.pw_uid, known.pw_gid, name) if os.geteuid() == 0 else None


def watching_user(command: User | None) -> User | None:
    """Whom the watch of a command runs as: somebody else, whose files and processes the command
    cannot touch; None where there is no choice."""
    user = ordinary_user()
    return APART if user is not None and command is not None and user.uid == command.uid else user


def environment(user: User | None, inherited: Mapping[str, str]) -> dict[str, str]:
    """What the command may know: words of its terminal and network, and whose it is."""
    kept = {
        name: value
        for name, value in inherited.items()
        if name.upper() in KEPT or name.startswith("LC_")
    }
    if user is None:
        kept |= {n: inherited[n] for n in ("HOME", "USER", "LOGNAME", "SHELL") if n in inherited}
        return kept
    import pwd

    home, shell = "/", "/bin/sh"
    with contextlib.suppress(KeyError):
        known = pwd.getpwuid(user.uid)
        home = known.pw_dir if Path(known.pw_dir).is_dir() else "/"
        shell = known.pw_shell
    return {**kept, "HOME": home, "USER": user.name, "LOGNAME": user.name, "SHELL": shell}


class Command:
    """The command behind a keeper: a process that was forked while there was root, waits to start
    the command, and keeps nothing but the right to end it. It sees no packet.

    The command leads a session of its own, which ends as a whole when it is stopped, or when the
    watch is gone.
    """

    def __init__(self, words: Sequence[str], user: User | None, *, to_stderr: bool) -> None:
        """With `to_stderr` what it prints does not mix with a report on standard output."""
        self._name = words[0]
        self._socket, theirs = socket.socketpair()
        self.status: int | None = None
        """Its exit status, once it has ended; negative for the signal that ended it."""
        self._stopped = False
        sys.stdout.flush()
        self._pid = os.fork()
        if self._pid == 0:
            try:
                self._socket.close()
                _keep(theirs, words, user, to_stderr=to_stderr)
            finally:
                # Nothing of the parent's is to be ended, flushed or closed here.
                os._exit(0)
        theirs.close()

    def start(self) -> None:
        """Let it run. Raises `PcapleakError` where it cannot."""
        self._socket.sendall(_START)
        answer = self._socket.recv(1000)
        if answer != _STARTED:
            raise PcapleakError(
                f"guard: {self._name} cannot be started ({answer.decode(errors='replace')}); check "
                "its name, and that the user it runs as may run it (--user)"
            )

    def poll(self) -> int | None:
        """Its exit status, if it has ended."""
        if self.status is None and select.select([self._socket], [], [], 0)[0]:
            answer = self._socket.recv(_STATUS.size)
            self.status = _STATUS.unpack(answer)[0] if len(answer) == _STATUS.size else -9
        return self.status

    @property
    def ending(self) -> str:
        """How it ended, in words."""
        if self.status is not None and self.status < 0:
            return f"the command was ended by {signal.Signals(-self.status).name}"
        return f"the command ended with status {self.status}"

    def stop(self) -> None:
        """End what is left of it, in a way it may clean up; then for good."""
        if not self._stopped:
            self._stopped = True
            self._socket.close()
            os.waitpid(self._pid, 0)


_START, _STARTED = b"start", b"\0"
_STATUS = struct.Struct("=i")


def _keep(
    control: socket.socket, words: Sequence[str], user: User | None, *, to_stderr: bool
) -> None:
    """The keeper's life."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    if control.recv(len(_START)) != _START:
        return
    failed, failed_in = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            _become(words, user, to_stderr=to_stderr)
        except OSError as error:
            os.write(failed_in, (error.strerror or "it failed").encode())
        finally:
            os._exit(127)
    os.close(failed_in)
    _keep_kill()
    failure = os.read(failed, 1000)
    control.sendall(failure or _STARTED)
    told = False
    while not select.select([control], [], [], POLL_S)[0]:
        ended, status = (0, 0) if told else os.waitpid(pid, os.WNOHANG)
        if ended:
            told = True
            control.sendall(_STATUS.pack(os.waitstatus_to_exitcode(status)))
    _end_session(pid)


def _end_session(leader: int) -> None:
    end_s = time.monotonic() + GRACE_S
    try:
        os.killpg(leader, signal.SIGTERM)
        while time.monotonic() < end_s:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(leader, os.WNOHANG)
            os.killpg(leader, 0)
            time.sleep(POLL_S)
        os.killpg(leader, signal.SIGKILL)
    except ProcessLookupError:
        return


def _become(words: Sequence[str], user: User | None, *, to_stderr: bool) -> None:
    os.setsid()
    if to_stderr:
        os.dup2(2, 1)
    surroundings = environment(user, os.environ)
    if user is not None:
        os.setgroups(os.getgrouplist(user.name, user.gid))
        os.setregid(user.gid, user.gid)
        os.setreuid(user.uid, user.uid)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    for number in (signal.SIGPIPE, signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    os.execvpe(words[0], list(words), surroundings)  # noqa: S606


def _keep_kill() -> None:
    """Give up every right but the one to end another user's processes."""
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        kill = 1 << _CAP_KILL if os.geteuid() == 0 else 0
        header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0)
        libc.capset(header, (ctypes.c_uint32 * 6)(kill, kill, 0, 0, 0, 0))
        libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)

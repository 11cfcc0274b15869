"""Files of a watch: opened while there are rights to, written to after they are gone."""

from __future__ import annotations

import contextlib
import os
import stat
import sys
from pathlib import Path
from typing import BinaryIO

from pcapleak.errors import PcapleakError
from pcapleak.live.privileges import User
from pcapleak.report.output import PRIVATE


class ReportFile:
    """A file whose whole content is replaced now and then: a reader sees the old or the new.

    Where the folder may not be written to any more, the content is replaced in place. A device or
    a pipe is written to once, with the last content.
    """

    def __init__(self, path: Path, user: User | None) -> None:
        """Create it for the user of the watch. Raises `PcapleakError`."""
        self._path = path
        try:
            self._fd = _create(path, user)
            self._is_file = _is_file(self._fd)
            if sys.platform != "win32":
                self._folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
            elif self._is_file:
                os.close(self._fd)  # what is open cannot be replaced there
        except OSError as error:
            raise _unwritable(path, error) from error

    def replace(self, text: str, *, last: bool = False) -> None:
        """Make `text` the content. Raises `OSError`, and leaves the old one then."""
        data = text.encode()
        if not self._is_file:
            if last:
                write_all(self._fd, data)
            return
        name = self._path.name
        temporary = f".{name}.{os.getpid()}"
        if sys.platform == "win32":
            part = self._path.with_name(temporary)
            part.write_bytes(data)
            part.replace(self._path)
            return
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        try:
            fd = os.open(temporary, flags, PRIVATE, dir_fd=self._folder)
        except OSError:
            # Room first: what is there is not given up for what does not fit.
            if sys.platform == "linux":
                os.posix_fallocate(self._fd, 0, len(data))
            os.lseek(self._fd, 0, os.SEEK_SET)
            write_all(self._fd, data)
            os.ftruncate(self._fd, len(data))
            return
        try:
            write_all(fd, data)
            os.rename(temporary, name, src_dir_fd=self._folder, dst_dir_fd=self._folder)
        except OSError:
            with contextlib.suppress(OSError):
                os.unlink(temporary, dir_fd=self._folder)
            raise
        finally:
            os.close(fd)


def write_all(fd: int, data: bytes) -> None:
    """Write all of it, with no buffer that keeps what could not be written for later."""
    while data:
        data = data[os.write(fd, data) :]


def write_line(fd: int, line: bytes) -> None:
    """Write a line whole or not at all, where that can be had: to a file."""
    is_file = _is_file(fd)
    start = os.lseek(fd, 0, os.SEEK_CUR) if is_file else 0
    try:
        write_all(fd, line)
    except OSError:
        if is_file:
            os.ftruncate(fd, start)
        raise


def _is_file(fd: int) -> bool:
    return stat.S_ISREG(os.fstat(fd).st_mode)


def open_output(path: Path, user: User | None) -> BinaryIO:
    """A new file, a device or pipe that is there, or standard output for `-`.

    Raises `PcapleakError`.
    """
    if str(path) == "-":
        return sys.stdout.buffer
    try:
        fd = _create(path, user)
        if _is_file(fd):
            os.ftruncate(fd, 0)
        return os.fdopen(fd, "wb")
    except OSError as error:
        raise _unwritable(path, error) from error


def _create(path: Path, user: User | None) -> int:
    """Open for writing; a file that did not exist is handed to the user of the watch."""
    flags = os.O_WRONLY | os.O_CREAT
    try:
        fd = os.open(path, flags | os.O_EXCL, PRIVATE)
    except FileExistsError:
        return os.open(path, flags)
    _own(fd, user)
    return fd


def make_folder(path: Path, user: User | None) -> None:
    """A folder for the user the watch will run as. Raises `PcapleakError`."""
    try:
        made = not path.exists()
        path.mkdir(parents=True, exist_ok=True)
        if made and sys.platform != "win32":
            fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
            _own(fd, user)
            os.close(fd)
    except OSError as error:
        raise _unwritable(path, error) from error


def _own(fd: int, user: User | None) -> None:
    """Hand a file to the user the watch will run as."""
    if user is not None and sys.platform != "win32":
        os.fchown(fd, user.uid, user.gid)


def _unwritable(path: Path, error: OSError) -> PcapleakError:
    return PcapleakError(
        f"{path}: cannot be written ({error.strerror}); give a path in an existing folder"
    )

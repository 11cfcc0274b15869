"""Files of a watch: opened while there are rights to, written to after they are gone."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path
from typing import BinaryIO

from pcapleak.errors import PcapleakError
from pcapleak.live.privileges import ordinary_user


class ReportFile:
    """A file whose whole content is replaced now and then: a reader sees the old or the new.

    Where the folder may not be written to any more, the content is replaced in place.
    """

    def __init__(self, path: Path) -> None:
        """Create it. Raises `PcapleakError` where that cannot be done."""
        self._name = path.name
        try:
            self._folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            self._fd = _create(path)
        except OSError as error:
            raise _unwritable(path, error) from error

    def replace(self, text: str) -> None:
        """Make `text` the content."""
        data = text.encode()
        temporary = f".{self._name}.{os.getpid()}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        try:
            fd = os.open(temporary, flags, 0o644, dir_fd=self._folder)
        except OSError:
            os.ftruncate(self._fd, 0)
            _write(self._fd, data)
            return
        try:
            _write(fd, data)
            os.rename(temporary, self._name, src_dir_fd=self._folder, dst_dir_fd=self._folder)
        except OSError as error:
            with contextlib.suppress(OSError):
                os.unlink(temporary, dir_fd=self._folder)
            raise PcapleakError(f"{self._name}: cannot be written ({error.strerror})") from error
        finally:
            os.close(fd)


def _write(fd: int, data: bytes) -> None:
    at = 0
    while at < len(data):
        at += os.pwrite(fd, data[at:], at)


def open_output(path: Path) -> BinaryIO:
    """A new file, or standard output for `-`. Raises `PcapleakError`."""
    if str(path) == "-":
        return sys.stdout.buffer
    try:
        file = os.fdopen(_create(path), "wb")
        file.truncate()
    except OSError as error:
        raise _unwritable(path, error) from error
    return file


def _create(path: Path) -> int:
    """Open for writing; a file that did not exist is handed to the user of the watch."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC
    try:
        fd = os.open(path, flags | os.O_EXCL, 0o644)
    except FileExistsError:
        return os.open(path, flags)
    _own(fd)
    return fd


def make_folder(path: Path) -> None:
    """A folder for the user the watch will run as. Raises `PcapleakError`."""
    try:
        made = not path.exists()
        path.mkdir(parents=True, exist_ok=True)
        if made:
            fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
            _own(fd)
            os.close(fd)
    except OSError as error:
        raise _unwritable(path, error) from error


def _own(fd: int) -> None:
    """Hand a file to the user the watch will run as."""
    user = ordinary_user()
    if user is not None:
        os.fchown(fd, user.uid, user.gid)


def _unwritable(path: Path, error: OSError) -> PcapleakError:
    return PcapleakError(
        f"{path}: cannot be written ({error.strerror}); give a path in an existing folder"
    )

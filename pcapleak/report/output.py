"""Files that are written: beside what they replace, for their owner alone, and then renamed.

Whoever looks sees the old file or the new one whole. Devices and pipes are written through, never
replaced; a link stays, and what it leads to is replaced. A file that this process reads is never
written to (`protect`).
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Protocol, Self

from pcapleak.errors import PcapleakError

PRIVATE = 0o600
"""What is written tells addresses: new files are their owner's alone, or less by the umask."""

_protected: set[tuple[int, int]] = set()


def protect(paths: Iterable[str | Path]) -> None:
    """Never write to these files, by whatever name they are given as an output."""
    for path in paths:
        with contextlib.suppress(OSError, ValueError):
            status = os.fstat(0) if str(path) == "-" else Path(path).stat()
            if stat.S_ISREG(status.st_mode):
                _protected.add((status.st_dev, status.st_ino))


class OutputFile:
    """A file to be written, made beside it at once: whatever hinders it shows before any work.

    `commit` puts it in its place, `discard` leaves all as it was; as a context manager it does
    the one or the other. Raises `PcapleakError` where it cannot be written.
    """

    def __init__(self, path: str | Path, *, through: bool = True) -> None:
        """Without `through`, a device or pipe is refused."""
        self.path = Path(path)
        self._through = through
        self._part: Path | None = None
        self._final = self.path
        self._committer: Committer | None = None
        with writing(self.path):
            self.file: BinaryIO = self._open()

    def _open(self) -> BinaryIO:
        status = None
        with contextlib.suppress(FileNotFoundError):
            status = self.path.stat()
        if status is not None and not stat.S_ISREG(status.st_mode):
            open_ended = stat.S_ISCHR(status.st_mode) or stat.S_ISFIFO(status.st_mode)
            if not (open_ended and self._through):
                what = "a folder" if stat.S_ISDIR(status.st_mode) else "no file"
                raise PcapleakError(f"{self.path}: is {what}; name a file to write")
            return os.fdopen(os.open(self.path, os.O_WRONLY), "wb")
        if status is not None:
            if (status.st_dev, status.st_ino) in _protected:
                raise PcapleakError(f"{self.path}: is an input; name another file to write")
            if not os.access(self.path, os.W_OK):
                raise OSError(errno.EACCES, os.strerror(errno.EACCES))
        self._final = Path(os.path.realpath(self.path))
        part = self._final.with_name(f".{self._final.name}.{os.getpid()}.part")
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        handle = os.open(part, flags, PRIVATE)
        self._part = part
        if status is not None and sys.platform != "win32":
            with contextlib.suppress(OSError):
                os.fchmod(handle, stat.S_IMODE(status.st_mode))
                os.fchown(handle, status.st_uid, status.st_gid)
        return os.fdopen(handle, "wb")

    @property
    def renames(self) -> tuple[Path, Path] | None:
        """What `commit` renames to what; None where the content went through at once."""
        return None if self._part is None else (self._part, self._final)

    def leave_to(self, committer: Committer) -> None:
        """Have another process do the renaming, which this one may lose the right to."""
        self._committer = committer

    def commit(self) -> None:
        """What was written takes its place."""
        with writing(self.path):
            self.file.close()
            if self._part is not None and self._committer is not None:
                self._committer.rename(self._part)
            elif self._part is not None:
                self._part.replace(self._final)
            self._part = None

    def discard(self) -> None:
        """Nothing was written."""
        with contextlib.suppress(OSError):
            self.file.close()
        if self._part is not None:
            with contextlib.suppress(OSError):
                self._part.unlink()
            self._part = None

    def __enter__(self) -> BinaryIO:
        return self.file

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            try:
                self.commit()
            finally:
                self.discard()
        else:
            self.discard()
            if isinstance(error, OSError):
                raise unwritable(self.path, error) from error


def write_text(path: str | Path, text: str) -> None:
    """Make `text` the content of a file. Raises `PcapleakError`."""
    with OutputFile(path) as file:
        file.write(text.encode())


class Pending(Protocol):
    """A file that another process can put into its place, or remove."""

    @property
    def renames(self) -> tuple[Path, Path] | None:
        """From where to where; None where there is nothing to do."""

    def leave_to(self, committer: Committer) -> None:
        """Have that process do it."""


class Committer:
    """A process that renames the files agreed on when it is asked to, and nothing else.

    Made before this process confines itself, it leaves it no right over the folders: what a
    capture talks it into can at most put its own reports in their places. Files that were not
    put there are removed in the end, and `folders` that are empty, whatever ends this process.
    """

    def __init__(self, files: Sequence[Pending], folders: Sequence[Path] = ()) -> None:
        if not hasattr(os, "fork"):
            # Nothing confines this process either, so it renames its files itself.
            self._pid: int | None = None
            return
        pairs = [file.renames for file in files if file.renames is not None]
        self._numbers = {part: number for number, (part, _) in enumerate(pairs)}
        asked, self._ask = os.pipe()
        self._answers, answer = os.pipe()
        self._pid = os.fork()
        if self._pid == 0:
            os.close(self._ask)
            os.close(self._answers)
            try:
                _serve(asked, answer, pairs)
                for folder in folders:
                    with contextlib.suppress(OSError):
                        folder.rmdir()
            finally:
                os._exit(0)
        os.close(asked)
        os.close(answer)
        for file in files:
            file.leave_to(self)

    def rename(self, part: Path) -> None:
        """Put a file into its place. Raises `OSError`."""
        os.write(self._ask, bytes([self._numbers[part]]))
        failed = os.read(self._answers, 1)
        if failed != b"\0":
            number = failed[0] if failed else errno.EPIPE
            raise OSError(number, os.strerror(number))

    def close(self) -> None:
        """Nothing more will be put anywhere."""
        if self._pid is None:
            return
        os.close(self._ask)
        os.close(self._answers)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self._pid, 0)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _serve(asked: int, answer: int, pairs: Sequence[tuple[Path, Path]]) -> None:
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    left = dict(enumerate(pairs))
    while number := os.read(asked, 1):
        failed = 0
        try:
            part, final = left.pop(number[0])
            part.replace(final)
        except KeyError:
            failed = errno.EINVAL
        except OSError as error:
            failed = error.errno or errno.EIO
        os.write(answer, bytes([failed]))
    for part, _ in left.values():
        with contextlib.suppress(OSError):
            part.unlink()


@contextmanager
def writing(target: str | Path) -> Iterator[None]:
    """Name the file where it cannot be written."""
    try:
        yield
    except OSError as error:
        raise unwritable(target, error) from error


def unwritable(target: str | Path, error: OSError) -> PcapleakError:
    """Why a file cannot be written, and what to do."""
    remedy = (
        "free some room" if error.errno == errno.ENOSPC else "give a path in an existing folder"
    )
    return PcapleakError(f"{target}: cannot be written ({error.strerror}); {remedy}")


def make_folder(path: Path) -> None:
    """Make the folder that was asked for, none above it. Raises `PcapleakError`."""
    with writing(path):
        path.mkdir(exist_ok=True)


def check_distinct(outputs: dict[str, Path]) -> None:
    """Raise `PcapleakError` where two options name one file, through links or not."""
    seen: dict[object, str] = {}
    for option, path in outputs.items():
        key: object = os.path.realpath(path)
        with contextlib.suppress(OSError):
            status = path.stat()
            if stat.S_ISCHR(status.st_mode):
                continue
            key = (status.st_dev, status.st_ino)
        if key in seen:
            raise PcapleakError(f"{option} and {seen[key]} name one file, {path}; name two")
        seen[key] = option

"""Standard output and error that tell a lost reader or a full disk as what it is.

click and rich make exit status 1 of a closed pipe, which here means a leak; so the streams raise
an error that neither knows.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import sys
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


class StreamLostError(Exception):
    """Standard output cannot be written to any more."""

    def __init__(self, number: int) -> None:
        super().__init__(os.strerror(number))
        self.reader_gone = number == errno.EPIPE


class _Output(io.FileIO):
    """A standard stream."""

    def write(self, data: ReadableBuffer) -> int:
        try:
            return super().write(data)
        except OSError as error:
            raise StreamLostError(error.errno or errno.EIO) from error


class _Errors(io.FileIO):
    """Standard error: what it cannot take is lost, and hinders nothing."""

    def write(self, data: ReadableBuffer) -> int:
        try:
            return super().write(data)
        except OSError:
            return len(memoryview(data))


def own_streams() -> None:
    """Put them in the place of Python's; characters a terminal lacks show as escapes."""
    sys.stdout = _text(sys.stdout, _Output)
    sys.stderr = _text(sys.stderr, _Errors)


def _text(stream: TextIO, kind: type[io.FileIO]) -> TextIO:
    if not isinstance(stream, io.TextIOWrapper):
        return stream
    if sys.platform == "win32":
        # A console has a stream of its own kind there.
        stream.reconfigure(errors="backslashreplace")
        return stream
    with contextlib.suppress(OSError, ValueError):
        stream.flush()
    raw = kind(stream.fileno(), "w", closefd=False)
    return io.TextIOWrapper(
        io.BufferedWriter(raw),
        encoding=stream.encoding,
        errors="backslashreplace",
        line_buffering=stream.line_buffering or kind is _Errors,
        write_through=stream.write_through,
    )


def give_up_stdout() -> None:
    """What is still to be written goes nowhere: Python would complain once more while closing."""
    with contextlib.suppress(OSError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)

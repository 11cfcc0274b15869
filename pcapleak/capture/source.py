"""Opens a capture, whatever its container."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from pcapleak.capture.batches import rows_of
from pcapleak.capture.closing import Closing
from pcapleak.capture.facts import Facts
from pcapleak.capture.machine_notes import Note
from pcapleak.capture.pcap import MAGICS, read_pcap
from pcapleak.capture.pcapng import SECTION_MAGIC, read_pcapng
from pcapleak.capture.stream import FileStream, Unpacker, compression_of, not_a_capture
from pcapleak.capture.window import MappedWindow, StreamWindow, Window
from pcapleak.errors import CaptureError
from pcapleak.values.packets import Interface, RecordBatch

MAGIC = 8
"""Bytes that tell the formats apart."""
MAX_ROWS = 1 << 16
"""Records of one batch; all layers' columns for one take half a kilobyte, so 32 MB."""

SMALL = 1 << 20
"""Files up to this size are read at once: mapping them gains nothing."""


class CaptureSource(Closing):
    """One capture being read. Iterate it once, for its `RecordBatch`es in capture order.

    Frames count from 1. What the capture tells besides grows while it is read. Nothing
    found in the records raises: it becomes `truncated` and `problems`.
    """

    def __init__(
        self,
        facts: Facts,
        window: Window,
        stream: FileStream,
        size: int | None,
        batches: Iterator[RecordBatch],
        *,
        packed: bool,
    ) -> None:
        self.path = facts.path
        self.size = size
        """Bytes of the file as stored; None for a pipe."""
        self._facts = facts
        self._window = window
        self._stream = stream
        self._batches = _bounded(batches)
        self._packed = packed

    @property
    def format(self) -> str:
        """pcap, nanosecond pcap, modified pcap or pcapng, with any compression."""
        return self._facts.format

    @property
    def interfaces(self) -> list[Interface]:
        """The list shared by all captures of the run."""
        return self._facts.interfaces

    @property
    def capture(self) -> int:
        """This capture's index, as in `Interface.capture`."""
        return self._facts.capture

    @property
    def truncated(self) -> bool:
        """The capture ends inside a record, or cannot be followed to its end."""
        return self._facts.truncated

    @property
    def problems(self) -> list[str]:
        """What is wrong with the file, a line a kind."""
        return self._facts.notes.texts()

    @property
    def frames(self) -> int:
        """Frames so far, as Wireshark numbers them: custom blocks and the like included."""
        return self._facts.frames

    @property
    def secrets(self) -> list[bytes]:
        """TLS key logs the capture carries."""
        return self._facts.secrets

    @property
    def secret_lines(self) -> int:
        """Lines of these, and of key logs beyond what is kept."""
        return self._facts.secret_lines

    @property
    def names(self) -> dict[str, tuple[str, ...]]:
        """Names by address, where the capture carries them."""
        return self._facts.names

    @property
    def comments(self) -> list[str]:
        """Comments on the capture as a whole."""
        return self._facts.comments

    @property
    def machine(self) -> list[Note]:
        """What the watch that recorded it knew of its machine."""
        return self._facts.machine

    @property
    def bytes_read(self) -> int:
        """How much of `size` is done."""
        return self._stream.count if self._packed else self._window.base + self._window.end

    def __iter__(self) -> Iterator[RecordBatch]:
        return self._batches

    def close(self) -> None:
        """Let go of the file."""
        self._stream.close()


def _bounded(batches: Iterator[RecordBatch]) -> Iterator[RecordBatch]:
    """Batches of at most `MAX_ROWS`."""
    for batch in batches:
        for start in range(0, len(batch), MAX_ROWS):
            yield rows_of(batch, start, start + MAX_ROWS) if len(batch) > MAX_ROWS else batch


def open_capture(
    path: str | Path,
    *,
    interfaces: list[Interface] | None = None,
    capture: int = 0,
) -> CaptureSource:
    """Open a capture for reading: a file, a named pipe, or `-` for standard input.

    Its container and compression are told by its first bytes. `interfaces` is the list to
    append its interfaces to, `capture` its index among the captures of a run. Raises
    `CaptureError` where nothing can be read at all.
    """
    name = str(path)
    fd, size = _open(name)
    facts = Facts(name, capture, interfaces if interfaces is not None else [])
    stream = FileStream(fd, facts, live=size is None)
    try:
        return _source(facts, stream, size)
    except BaseException as error:
        stream.close()
        if isinstance(error, OSError):
            raise _unreadable(name, error) from error
        raise


def _open(name: str) -> tuple[int, int | None]:
    """A descriptor of our own, and the size of a regular file."""
    try:
        fd = os.dup(0) if name == "-" else os.open(name, os.O_RDONLY)
    except FileNotFoundError:
        raise CaptureError(name, "no such file", "check the path") from None
    except PermissionError:
        raise CaptureError(name, "may not be read", "check its permissions") from None
    except (OSError, ValueError) as error:
        raise _unreadable(name, error) from None
    if name == "-" and sys.platform != "win32":
        os.set_blocking(fd, True)
    status = os.fstat(fd)
    if stat.S_ISDIR(status.st_mode):
        os.close(fd)
        raise CaptureError(name, "is a directory", "name its captures, or add --recursive")
    return fd, status.st_size if stat.S_ISREG(status.st_mode) else None


def _unreadable(name: str, error: OSError | ValueError) -> CaptureError:
    reason = error.strerror if isinstance(error, OSError) else str(error)
    return CaptureError(name, f"cannot be read ({reason})", "check the path and the disk")


def _source(facts: Facts, stream: FileStream, size: int | None) -> CaptureSource:
    name = facts.path
    start = stream.peek(6)
    if not start:
        raise CaptureError(name, "is empty", "record it again")
    unpacker = Unpacker(stream, facts) if compression_of(start) else None
    window: Window
    if unpacker is not None:
        window = StreamWindow(unpacker)
    elif size is not None and size > SMALL and name != "-":
        window = MappedWindow(stream, size)
    else:
        window = StreamWindow(stream)
    window.advance(0, MAGIC)
    magic = window.data[: min(window.end, MAGIC)].tobytes()
    if not magic:
        raise CaptureError(name, "is compressed, and damaged from its start on", "fetch it again")
    read = _reader(magic)
    if read is None:
        raise not_a_capture(name, magic)
    batches = read(window, facts)
    if unpacker is not None:
        facts.format += f" ({unpacker.kind})"
    return CaptureSource(facts, window, stream, size, batches, packed=unpacker is not None)


def _reader(magic: bytes) -> Callable[..., Iterator[RecordBatch]] | None:
    if magic.startswith(SECTION_MAGIC):
        return read_pcapng
    if magic[:4] in MAGICS:
        return read_pcap
    return None


def is_capture(stream: FileStream) -> bool:
    """Whether `stream` starts as a capture does, once unpacked."""
    if compression_of(stream.peek(6)) is None:
        return _reader(stream.peek(MAGIC)) is not None
    start = bytearray(MAGIC)
    Unpacker(stream, Facts("", 0, [])).readinto(memoryview(start))
    return _reader(bytes(start)) is not None

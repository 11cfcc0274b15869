"""Files, pipes and compressed data as streams of bytes."""

from __future__ import annotations

import bz2
import lzma
import queue
import select
import sys
import threading
import zlib
from collections.abc import Callable
from contextlib import suppress
from io import FileIO, RawIOBase
from typing import Final, Protocol

from pcapleak.capture.facts import Facts
from pcapleak.errors import CaptureError

READ: Final = 256 << 10
MAX_AHEAD: Final = 64
"""Pieces read ahead of who wants them: 16 MiB at the most."""
FREE_BYTES: Final = 1 << 30
MAX_RATIO: Final = 250
"""A stream may unpack to 1 GiB plus 250 times what it takes up: captures of equal packets
stay below, a bomb (gzip reaches 1032, zstd far more) is left after a bounded time. Memory is
bounded by the window, whatever the size."""
XZ_MEMORY: Final = 256 << 20
"""What an xz dictionary may take (`xz -9` needs 65 MiB)."""


class FileStream:
    """A descriptor with the possibility to look at the first bytes before reading."""

    def __init__(self, fd: int, facts: Facts, *, live: bool) -> None:
        """Take over `fd`; `live` tells that it is not a regular file."""
        self._file: FileIO | ReadAhead = FileIO(fd)
        if live and sys.platform == "win32":
            self._file = ReadAhead(self._file)
        self._facts = facts
        self._live = live
        self._ahead = b""
        self.count = 0
        """Bytes handed out."""

    def peek(self, size: int) -> bytes:
        """The next `size` bytes, or all there are, without taking them."""
        while len(self._ahead) < size:
            more = self._file.read(size - len(self._ahead))
            if not more:
                break
            self._ahead += more
        return self._ahead

    def readinto(self, buffer: memoryview, /) -> int:
        """Fill some of `buffer`; 0 at the end, or where the disk gives no more."""
        if self._ahead:
            taken = min(len(self._ahead), len(buffer))
            buffer[:taken] = self._ahead[:taken]
            self._ahead = self._ahead[taken:]
        else:
            try:
                taken = self._file.readinto(buffer) or 0
            except OSError as error:
                self._facts.cut(f"reading failed: {error.strerror}", self.count)
                return 0
        self.count += taken
        return taken

    def seek(self, position: int) -> None:
        """Read on from `position` of a regular file."""
        self._file.seek(position)
        self._ahead = b""

    def fileno(self) -> int:
        """The descriptor."""
        return self._file.fileno()

    def has_more(self, timeout_s: float) -> bool:
        """The next bytes of a pipe or terminal may be long in coming, no file's are."""
        if not self._live or self._ahead:
            return True
        if isinstance(self._file, ReadAhead):
            return self._file.wait(timeout_s)
        return bool(select.select([self._file], [], [], timeout_s)[0])

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class ReadAhead(RawIOBase):
    """A pipe that a thread reads, so that its next bytes can be waited for where the system waits
    for sockets alone, as Windows does (select(2) there)."""

    def __init__(self, file: FileIO) -> None:
        """Take over `file`."""
        self._pipe = file
        self._parts: queue.Queue[bytes | OSError] = queue.Queue(MAX_AHEAD)
        self._part: bytes | OSError | None = None
        self._stopped = False
        threading.Thread(target=self._read_on, daemon=True).start()

    def wait(self, timeout_s: float | None) -> bool:
        """Whether there is something to read, or the end, within so many seconds."""
        if self._part is None:
            with suppress(queue.Empty):
                self._part = self._parts.get(timeout=timeout_s)
        return self._part is not None

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]
        """Fill some of `buffer`; 0 at the end. Raises `OSError` where the pipe did."""
        self.wait(None)
        part = self._part
        if isinstance(part, OSError):
            raise part
        if not part:
            return 0  # and so for ever: the end stays
        taken = min(len(part), len(buffer))
        buffer[:taken] = part[:taken]
        self._part = part[taken:] or None
        return taken

    def close(self) -> None:
        """Read no more. The thread closes the pipe: on Windows closing waits for reading."""
        self._stopped = True
        with suppress(queue.Empty):
            while True:
                self._parts.get_nowait()
        super().close()

    def _read_on(self) -> None:
        """In the thread."""
        with self._pipe:
            part: bytes | OSError | None = None
            while part != b"" and not isinstance(part, OSError) and not self._stopped:
                try:
                    part = self._pipe.read(READ) or b""
                except OSError as error:
                    part = error
                self._parts.put(part)


class Decompressor(Protocol):
    """What bz2, lzma and zstd decompressors have in common."""

    @property
    def eof(self) -> bool:
        """The stream's end was met."""

    @property
    def needs_input(self) -> bool:
        """Nothing more comes without more input."""

    @property
    def unused_data(self) -> bytes:
        """What followed the end."""

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        """At most `max_length` bytes of output."""


class _Inflate:
    """gzip in the shape of the others."""

    def __init__(self) -> None:
        self._inflate = zlib.decompressobj(31)

    @property
    def eof(self) -> bool:
        return self._inflate.eof

    @property
    def needs_input(self) -> bool:
        return not self._inflate.unconsumed_tail

    @property
    def unused_data(self) -> bytes:
        return self._inflate.unused_data

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        return self._inflate.decompress(self._inflate.unconsumed_tail + data, max_length)


def _zstd() -> tuple[Callable[[], Decompressor], tuple[type[Exception], ...]]:
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd
    return zstd.ZstdDecompressor, (zstd.ZstdError,)


class Unpacker:
    """A compressed stream: members one after another, damage and bombs noted, never raised."""

    def __init__(self, stream: FileStream, facts: Facts) -> None:
        """`stream` must stand at a start for which `compression_of` gives a name."""
        self._stream = stream
        self._facts = facts
        kind = compression_of(stream.peek(6))
        assert kind is not None
        self.kind = kind
        self._make: Callable[[], Decompressor]
        self._errors: tuple[type[Exception], ...]
        if kind == "gzip":
            self._make, self._errors = _Inflate, (zlib.error,)
        elif kind == "bzip2":
            self._make, self._errors = bz2.BZ2Decompressor, (OSError,)
        elif kind == "xz":
            self._make, self._errors = _xz, (lzma.LZMAError,)
        else:
            self._make, self._errors = _zstd()
        self._member: Decompressor = self._make()
        self._chunk = bytearray(READ)
        self._input = b""
        self._given = 0
        self._done = False

    def readinto(self, buffer: memoryview, /) -> int:
        """Fill some of `buffer`; 0 at the end, or where the data makes no more sense."""
        while not self._done:
            exhausted = False
            if self._member.eof and not self._next_member():
                break
            if self._member.needs_input and not self._input:
                self._input = self._read()
                exhausted = not self._input
            try:
                output = self._member.decompress(self._input, min(len(buffer), READ))
            except self._errors:
                self._stop("the compressed data is damaged: the rest is unreadable")
                break
            self._input = b""
            if output:
                buffer[: len(output)] = output
                self._given += len(output)
                if self._given > FREE_BYTES + MAX_RATIO * self._stream.count:
                    self._stop(
                        f"it unpacks to more than {MAX_RATIO} times its size: the rest was not read"
                    )
                return len(output)
            if exhausted and not self._member.eof:
                self._stop("the compressed data ends early")
        return 0

    def _read(self) -> bytes:
        count = self._stream.readinto(memoryview(self._chunk))
        return bytes(self._chunk[:count])

    def _next_member(self) -> bool:
        rest = self._member.unused_data or self._read()
        while rest and not rest.strip(b"\0"):
            rest = self._read()
        if len(rest) < 6:
            rest += self._read()
        if not rest:
            self._done = True
        elif compression_of(rest) != self.kind:
            self._facts.notes.add("bytes that are not compressed follow the compressed data")
            self._done = True
        else:
            self._member, self._input = self._make(), rest
        return not self._done

    def _stop(self, why: str) -> None:
        self._facts.truncated = True
        self._facts.notes.add(why)
        self._done = True

    def has_more(self, timeout_s: float) -> bool:
        """As the stream below."""
        return self._stream.has_more(timeout_s)


def _xz() -> Decompressor:
    return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=XZ_MEMORY)


_COMPRESSIONS: Final = (
    (b"\x1f\x8b\x08", "gzip"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"\xfd7zXZ\0", "xz"),
    (b"BZh", "bzip2"),
)
_FOREIGN: Final = (
    (b"\x04\x22\x4d\x18", "is compressed with lz4", "unpack it with lz4 -d"),
    (b"\x1f\x9d", "is compressed with compress", "unpack it with uncompress"),
    (b"PK\x03\x04", "is a zip archive", "unpack it"),
    (b"7z\xbc\xaf", "is a 7-Zip archive", "unpack it"),
)


def compression_of(start: bytes) -> str | None:
    """The compression whose data starts so, or None."""
    return next((name for magic, name in _COMPRESSIONS if start.startswith(magic)), None)


def not_a_capture(path: str, start: bytes) -> CaptureError:
    """The error for a file that starts with none of the magic numbers known."""
    for magic, what, remedy in _FOREIGN:
        if start.startswith(magic):
            return CaptureError(path, what, remedy)
    if all(32 <= byte < 127 or byte in b"\t\r\n" for byte in start):
        return CaptureError(path, "is text, not a capture", "give the capture file itself")
    return CaptureError(
        path,
        "is not a capture pcapleak knows (pcap, pcapng)",
        "convert it with editcap -F pcapng, if Wireshark reads it",
    )

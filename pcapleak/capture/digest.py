"""SHA-256 of the files that are read, so that a report says which bytes it is about.

It costs a second reading: at 1 to 2 GB/s it takes less time than an analysis, and a
thread of its own does it meanwhile. The file is mapped: to copy what was just read and is in
memory would take a fifth of what hashing it does.
"""

from __future__ import annotations

import hashlib
import mmap
from collections.abc import Sequence
from pathlib import Path
from threading import Thread
from typing import Final

from pcapleak.capture.window import give_back

PIECE: Final = 16 << 20
"""Bytes hashed at a time. Between two pieces the interpreter passes from one thread to the other,
which costs the analysis more than a small piece's hashing."""


class Digests:
    """Hashes files in the background; what is no plain file (a pipe) has no digest."""

    def __init__(self, paths: Sequence[str | Path]) -> None:
        self._paths = paths
        self._found: list[str | None] = []
        self._closed = False
        self._thread = Thread(target=self._run, name="sha256", daemon=True)
        self._thread.start()

    def results(self) -> list[str | None]:
        """The digests in hexadecimal, once they are there."""
        self._thread.join()
        return self._found

    def close(self) -> None:
        """Begin no other file."""
        self._closed = True

    def _run(self) -> None:
        for path in self._paths:
            if self._closed:
                return
            self._found.append(_digest(Path(path)))


def _digest(path: Path) -> str | None:
    if not path.is_file():
        return None
    digest = hashlib.sha256()
    try:
        # No more than there is now: a recording may still grow.
        with (
            path.open("rb") as file,
            mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped,
            memoryview(mapped) as data,
        ):
            for start in range(0, len(data), PIECE):
                stop = min(start + PIECE, len(data))
                digest.update(data[start:stop])
                give_back(mapped, start, stop)
    except OSError:
        return None  # the reader says what is wrong with it
    except ValueError:
        pass  # there is nothing in it to map
    return digest.hexdigest()

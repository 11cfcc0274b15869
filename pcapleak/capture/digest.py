"""SHA-256 of the files that are read, so that a report says which bytes it is about.

It costs a second reading: at 1 to 2 GB/s it takes less time than an analysis, and a
thread of its own does it meanwhile, from memory where the file was just read. It is read and not
mapped: of a file that is cut meanwhile, or on a disk that fails, mapped memory ends the process.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from threading import Thread
from typing import Final

PIECE: Final = 4 << 20
"""Bytes hashed at a time. Between two pieces the interpreter passes from one thread to the other,
which costs the analysis more than a small piece's hashing; a large one is copied out of the
processor's caches."""


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
        with path.open("rb", buffering=0) as file:
            # No more than there is now: a recording may still grow.
            left = os.fstat(file.fileno()).st_size
            piece = memoryview(bytearray(min(PIECE, left)))
            while left > 0 and (count := file.readinto(piece[:left])):
                digest.update(piece[:count])
                left -= count
    except OSError:
        return None  # the reader says what is wrong with it
    return digest.hexdigest()

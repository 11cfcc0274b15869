"""SHA-256 of the files that are read, so that a report says which bytes it is about.

It costs a second reading: at 1 to 2 GB/s it is several times faster than an analysis, and a
thread of its own does it meanwhile, from memory where the file was just read.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path


class Digests:
    """Hashes files in the background; what is no plain file (a pipe) has no digest."""

    def __init__(self, paths: Sequence[str | Path]) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="sha256")
        self._futures: list[Future[str | None]] = [
            self._pool.submit(_digest, Path(path)) for path in paths
        ]

    def results(self) -> list[str | None]:
        """The digests in hexadecimal, once they are there."""
        return [future.result() for future in self._futures]

    def close(self) -> None:
        """Begin no other file."""
        self._pool.shutdown(wait=False, cancel_futures=True)


def _digest(path: Path) -> str | None:
    if not path.is_file():
        return None
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None  # the reader says what is wrong with it

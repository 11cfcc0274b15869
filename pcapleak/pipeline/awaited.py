"""Files of page-side evidence that a watch waits for until they appear."""

from __future__ import annotations

import os
import stat
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pcapleak.errors import PcapleakError
from pcapleak.pipeline.inputs import read_evidence

if TYPE_CHECKING:
    from pcapleak.decode.ice.page import PageCandidate, PageFacts

LOOK_EVERY_S = 0.5
MAX_AWAITED = 8 << 20
"""Bytes of a file that is read while packets come: to read it takes some tenths of a second."""


class Evidence(NamedTuple):
    """What a file tells."""

    candidates: list[PageCandidate]
    facts: PageFacts


class AwaitedPage:
    """One file: read once it is new and no longer grows, and again whenever it changes.

    What is there when the watch begins is of an earlier run, and is left alone.
    """

    def __init__(self, path: str | Path) -> None:
        """Raises `PcapleakError` where something else than a file has that name."""
        self.path = Path(path)
        self.problem: str | None = None
        """Why what is there now cannot be read."""
        self.taken = False
        """Whether it was read in this watch."""
        self._known = self._last = self._stamp()
        self.is_old = self._known is not None
        """Whether there was a file of that name before the watch."""
        self._looked_s = 0.0
        if self.path.exists() and not self.path.is_file():
            raise PcapleakError(f"--page: {path}: is no file; name the one the browser will save")

    def poll(self, *, now: bool = False) -> Evidence | None:
        """What the file tells, once it is there; `now` looks without waiting for it to settle."""
        if not now and time.monotonic() - self._looked_s < LOOK_EVERY_S:
            return None
        self._looked_s = time.monotonic()
        stamp = self._stamp()
        settled, self._last = stamp == self._last, stamp
        if stamp is None or stamp == self._known or not (settled or now):
            return None
        self._known = stamp
        try:
            evidence = Evidence(*read_evidence(str(self.path), self._read()))
        except OSError as error:
            self.problem = f"{self.path}: cannot be read ({error.strerror})"
            return None
        except PcapleakError as error:
            self.problem = str(error)
            return None
        self.problem, self.taken = None, True
        return evidence

    def lacks(self) -> str | None:
        """Why nothing of it counts, at the end of the watch."""
        if self.taken:
            return None
        if self.problem is not None:
            return self.problem
        if self.is_old:
            return f"{self.path}: was there before the watch and was not written anew: not read"
        return f"{self.path}: did not appear while the watch went on"

    def _stamp(self) -> tuple[int, int, int] | None:
        try:
            status = self.path.stat()
        except PermissionError:
            self.problem = f"{self.path}: its folder may not be read by the user the watch runs as"
            return None
        except OSError:
            return None
        if not stat.S_ISREG(status.st_mode) or not status.st_size:
            return None
        return status.st_ino, status.st_mtime_ns, status.st_size

    def _read(self) -> bytes:
        # A pipe that takes the file's place must not hold the watch up.
        flags = os.O_RDONLY
        if sys.platform != "win32":
            flags |= os.O_NONBLOCK
        handle = os.open(self.path, flags)
        with os.fdopen(handle, "rb") as file:
            data = file.read(MAX_AWAITED + 1)
        if len(data) > MAX_AWAITED:
            raise PcapleakError(
                f"{self.path}: is above {MAX_AWAITED >> 20} MiB, too much for a watch; record, "
                "and give it to pcapleak analyze --page"
            )
        return data

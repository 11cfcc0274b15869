"""The file of a key that redaction renames by."""

from __future__ import annotations

import contextlib
import secrets
from pathlib import Path
from typing import Self

from pcapleak.report.output import Committer, protect


class KeyFile:
    """Reads the key in a file, or makes one, which goes again unless it was used (`commit`).

    Raises `PcapleakError` where the file holds something else or cannot be read or made.
    """

    def __init__(self, path: Path | None) -> None:
        """Without a path, a key that nobody keeps."""
        from pcapleak.redact import read_key

        self._made: Path | None = None
        self._committer: Committer | None = None
        if path is None:
            self.key = secrets.token_bytes(32)
            return
        fresh = not path.exists()
        self.key = read_key(path)
        protect([path])
        if fresh:
            self._made = path.absolute()

    @property
    def renames(self) -> tuple[Path, Path] | None:
        """The file, for a process that removes it unless it is told to let it stand."""
        return None if self._made is None else (self._made, self._made)

    def leave_to(self, committer: Committer) -> None:
        """Have another process remove it."""
        self._committer = committer

    def commit(self) -> None:
        """Something was renamed by it: it stays."""
        if self._made is not None and self._committer is not None:
            self._committer.rename(self._made)
        self._made = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._made is not None:
            with contextlib.suppress(OSError):
                self._made.unlink()

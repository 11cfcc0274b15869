"""Finds captures in folders, by what files hold, not by what they are called."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from pcapleak.capture.facts import Facts
from pcapleak.capture.source import is_capture
from pcapleak.capture.stream import FileStream
from pcapleak.errors import CaptureError

_CALLED_SO = re.compile(r"\.(?:pcap|pcapng|cap)(?:\.\w{1,4})?$", re.IGNORECASE)


def find_captures(
    paths: Iterable[str | Path], *, recursive: bool = False, damaged: bool = False
) -> Iterator[str]:
    """`paths` in order, each folder replaced by the captures below it, sorted.

    Named files are passed on unlooked-at, so that opening them says what is wrong with them;
    in folders whatever is no capture is passed over, but for files that are called like one where
    `damaged` ones are to be told too. Links to folders are not followed.
    Raises `CaptureError` for a folder where `recursive` is not set.
    """
    for path in map(str, paths):
        if path == "-" or not Path(path).is_dir():
            yield path
        elif recursive:
            yield from _below(path, damaged)
        else:
            raise CaptureError(path, "is a directory", "name its captures, or add --recursive")


def _below(folder: str, damaged: bool) -> Iterator[str]:
    for parent, folders, files in os.walk(folder):
        folders.sort()
        for name in sorted(files):
            path = Path(parent, name)
            if path.is_file() and ((damaged and _CALLED_SO.search(name)) or _looks_right(path)):
                yield str(path)


def _looks_right(path: Path) -> bool:
    try:
        fd = os.open(path, os.O_RDONLY)
    except OSError:
        return False
    stream = FileStream(fd, Facts(str(path), 0, []), live=False)
    try:
        return is_capture(stream)
    finally:
        stream.close()

"""Which files a command was given."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

CAPTURE_NAMES = (".pcap", ".pcapng", ".cap", ".ntar", ".dmp", ".erf", ".snoop")
COMPRESSED_NAMES = (".gz", ".zst", ".lz4", ".xz", ".bz2")


def capture_files(paths: Iterable[str], recursive: bool) -> Iterator[str]:
    """The paths, each folder replaced by the captures below it where `recursive`.

    Inside a folder a capture is told by its name. A folder without any stays in the list, so
    that it is reported and not passed over.
    """
    for text in paths:
        path = Path(text)
        if not (recursive and path.is_dir()):
            yield text
            continue
        below = sorted(str(file) for file in path.rglob("*") if _is_capture(file))
        yield from below or [text]


def _is_capture(file: Path) -> bool:
    suffixes = [suffix.lower() for suffix in file.suffixes]
    if suffixes and suffixes[-1] in COMPRESSED_NAMES:
        suffixes.pop()
    return bool(suffixes) and suffixes[-1] in CAPTURE_NAMES and file.is_file()

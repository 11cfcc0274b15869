"""What runs on the workers: one capture at a time, then merging."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from pcapleak import __version__
from pcapleak.errors import PcapleakError
from pcapleak.fleet.fleet import Fleet, Row, merge, summarise
from pcapleak.policy.policy import Policy
from pcapleak.report.document import SCHEMA_VERSION

CHUNK = 1 << 20


class Examined(NamedTuple):
    """A capture's row and report."""

    row: Row
    report: str | None
    """As JSON; None where it could not be analyzed, or is already known by the row's key."""


def examine(path: str, policy: Policy, known: Collection[str] = ()) -> Examined:
    """Analyze a capture, unless a report of the same content by the same policy is known.

    A capture that cannot be read gives a row that says so.
    """
    from pcapleak.pipeline.analyze import analyze
    from pcapleak.report.writers.json import to_json

    try:
        with local_copy(path) as file:
            key = result_key(file, policy)
            if key in known:
                return Examined(Row(path, key), None)
            document = analyze(file, policy, all_flows=False).document
            document.captures[0].path = path
            return Examined(summarise(document, path, key), to_json(document))
    except (PcapleakError, OSError, ImportError, ValueError) as error:
        return Examined(failed(path, error), None)


def failed(path: str, error: BaseException) -> Row:
    """The row of a capture that could not be analyzed."""
    return Row(path, reason=str(error) or type(error).__name__)


def result_key(file: Path, policy: Policy) -> str:
    """Names the report of a file: by its content, the policy, and what analyzed it."""
    digest = hashlib.sha256(f"{__version__} {SCHEMA_VERSION} {policy!r}\n".encode())
    with file.open("rb") as stream:
        while chunk := stream.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


@contextmanager
def local_copy(path: str) -> Iterator[Path]:
    """The file itself, or what an fsspec URL (s3://, https://, ...) leads to, fetched."""
    if "://" not in path:
        yield Path(path)
        return
    import fsspec

    handle, name = tempfile.mkstemp(prefix="pcapleak-")
    try:
        with os.fdopen(handle, "wb") as target, fsspec.open(path, "rb") as source:
            shutil.copyfileobj(source, target, CHUNK)
        yield Path(name)
    finally:
        Path(name).unlink()


def gather(rows: Sequence[Row]) -> Fleet:
    """The leaves of the tree."""
    return merge([Fleet(list(rows))])


def join(fleets: Sequence[Fleet]) -> Fleet:
    """An inner node of the tree."""
    return merge(fleets)

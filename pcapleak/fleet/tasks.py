"""What runs in other processes, here or on other machines: one capture at a time.

What comes back is text, JSON: whatever a worker answers is read as data and never run.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from pcapleak import __version__
from pcapleak.errors import PcapleakError
from pcapleak.policy.policy import Policy
from pcapleak.report.document import SCHEMA_VERSION

CHUNK = 1 << 20


def examine(path: str, policy: Policy, known: Collection[str] = ()) -> str:
    """Analyze a capture, unless a report of the same content by the same policy is known.

    Gives a JSON object: `key` names the report by content and policy, `report` is the report's
    own JSON (null where `key` is known already), and `error` says why there is none.
    """
    from pcapleak.pipeline.analyze import analyze
    from pcapleak.report.writers.json import to_json

    try:
        with local_copy(path) as file:
            key = result_key(file, policy)
            if key in known:
                return json.dumps({"key": key, "report": None, "error": None})
            document = analyze(file, policy, all_flows=False).document
            document.captures[0].path = path
            return json.dumps({"key": key, "report": to_json(document), "error": None})
    except FileNotFoundError:
        return json.dumps({"key": "", "report": None, "error": "no such file; check the path"})
    except (PcapleakError, OSError, ImportError, ValueError) as error:
        return json.dumps({"key": "", "report": None, "error": reason(error)})


def reason(error: BaseException) -> str:
    """Why a capture could not be analyzed."""
    return str(error) or type(error).__name__


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

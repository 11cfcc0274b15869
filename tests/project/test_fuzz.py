"""What fuzzing found is replayed: every input of the corpora, and every crasher ever met."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from places import TESTS

FUZZ = TESTS / "fuzz"
sys.path.insert(0, str(FUZZ))

from run import inputs  # noqa: E402
from targets import TARGETS  # noqa: E402


@pytest.mark.parametrize("target", TARGETS)
def test_the_corpus_and_all_crashers_pass(target: str) -> None:
    cases = inputs(FUZZ / "corpus" / f"{target}.txt") + inputs(FUZZ / "crashers" / f"{target}.txt")
    for data in (b"", *cases):
        TARGETS[target](data)


def test_every_corpus_has_a_target() -> None:
    kept = {path.stem for folder in ("corpus", "crashers") for path in (FUZZ / folder).glob("*")}
    assert kept <= TARGETS.keys()


@pytest.mark.skipif(find_spec("atheris") is None, reason="atheris is not installed (group fuzz)")
def test_a_crash_is_found_and_kept(tmp_path: Path) -> None:
    """The driver reports what a broken decoder does: here one that fails on an X."""
    for name in ("one.py", "run.py"):
        (tmp_path / name).write_text((FUZZ / name).read_text())
    broken = "def broken(data):\n    assert b'X' not in data\nTARGETS = {'broken': broken}\n"
    (tmp_path / "targets.py").write_text(broken)
    command = [sys.executable, str(tmp_path / "run.py"), "--seconds", "20", "--seed", "1"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stdout
    (line,) = (tmp_path / "crashers" / "broken.txt").read_text().split()
    assert b"X" in bytes.fromhex(line)

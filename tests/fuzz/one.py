"""Fuzz one target: `python tests/fuzz/one.py stun-shaped [FOLDER...] [-max_total_time=60]`.

The rest of the line is libFuzzer's.
"""

from __future__ import annotations

import sys
from pathlib import Path

import atheris

# atheris keeps the result of every comparison of arrays it instruments, so that the module which
# compares most fills the memory in seconds.
LEFT_OUT = ["pcapleak.track.ice.foundations"]

with atheris.instrument_imports(include=["pcapleak"], exclude=LEFT_OUT):
    sys.path.insert(0, str(Path(__file__).resolve().parent))
    from targets import TARGETS

if __name__ == "__main__":
    target = TARGETS[sys.argv.pop(1)]
    atheris.Setup(sys.argv, target)
    atheris.Fuzz()

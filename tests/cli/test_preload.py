"""What a watch loads before it gives up its rights: afterwards nothing can be."""

from __future__ import annotations

import subprocess
import sys

from conftest import ROOT

JUDGE_ALL = """
import sys
from io import StringIO
from pathlib import Path

from pcapleak.cli import preload
from pcapleak.cli.console import page_console
from pcapleak.capture import open_capture
from pcapleak.pipeline.analyzer import read_captures
from pcapleak.policy.policy import Policy
from pcapleak.report.writers.json import to_json
from pcapleak.report.writers.terminal import print_report

policy = Policy.from_options(timezone="Europe/Berlin", language=["de"])
preload.preload(policy, None)
preload._load_all()
wanted = []

class Nothing:
    def find_spec(self, name, path=None, target=None):
        wanted.append(name)
        raise ImportError(name)

sys.meta_path.insert(0, Nothing())
for path in sorted(Path("captures").glob("*.pcapng")):
    with open_capture(path) as source:
        document = read_captures([source], source, policy).document(all_flows=True)
    to_json(document)
    print_report(document, page_console(StringIO()), verbose=True)
print(sorted(set(wanted)))
"""


def test_no_capture_has_anything_loaded_that_a_watch_did_not_load_before() -> None:
    """Codecs and tables too: an installation below /root cannot be read any more by then."""
    result = subprocess.run(
        [sys.executable, "-c", JUDGE_ALL], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip() == "[]"

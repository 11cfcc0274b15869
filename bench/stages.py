"""Where the time of an analysis goes: CPU seconds by stage, and how they grow.

    python bench/stages.py CAPTURE              one profile
    python bench/stages.py --growth [FOLDER]    captures of 10 thousand to ten million packets

A stage whose cost grows as fast as the capture has a flat cost a packet.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import generate

from pcapleak.capture import open_capture
from pcapleak.pipeline import analyzer as pipeline
from pcapleak.pipeline.analyzer import Analyzer
from pcapleak.pipeline.gc_policy import rare_collection
from pcapleak.policy.policy import Policy
from pcapleak.report.document import Document
from pcapleak.report.writers.json import to_json
from pcapleak.track.state import CaptureFacts

POLICY = Policy.from_options(tunnel=["wg0"], vpn_endpoint=["198.51.100.40:51820"])
SIZES = {
    "mixed": (10_000, 100_000, 1_000_000),
    "small": (10_000, 100_000, 1_000_000, 10_000_000),
}
"""Ten million packets of `mixed` would be 11 GB."""
STAGES = (
    "read", "dissect", "recognise", "flows", "decode", "streams", "track", "sessions", "judge",
    "assemble", "json",
)  # fmt: skip


def profile(path: Path) -> tuple[Counter[str], Document]:
    """CPU seconds by stage, and the report."""
    spent: Counter[str] = Counter()

    def timed(stage: str, function: Callable[..., object]) -> Callable[..., object]:
        def wrapped(*arguments: object, **named: object) -> object:
            start = time.process_time()
            result = function(*arguments, **named)
            if hasattr(result, "__next__"):
                result = list(result)
            spent[stage] += time.process_time() - start
            return result

        return wrapped

    usual = pipeline.recognise, pipeline.judge, pipeline.assemble
    pipeline.recognise = timed("recognise", pipeline.recognise)
    pipeline.judge = timed("judge", pipeline.judge)
    pipeline.assemble = timed("assemble", pipeline.assemble)
    try:
        with rare_collection(), open_capture(path) as source:
            analyzer = Analyzer(POLICY, source.interfaces)
            analyzer.state.captures.append(CaptureFacts(source.path, source.format))
            analyzer.dissector.dissect = timed("dissect", analyzer.dissector.dissect)
            analyzer.state.flows.update = timed("flows", analyzer.state.flows.update)
            analyzer.streams.update = timed("streams", analyzer.streams.update)
            analyzer.datagrams.update = timed("decode", analyzer.datagrams.update)
            analyzer._dispatch = timed("track", analyzer._dispatch)
            analyzer.state.ice.sessions = timed("sessions", analyzer.state.ice.sessions)
            following = timed("read", iter(source).__next__)
            while True:
                try:
                    analyzer.add(following())
                except StopIteration:
                    break
            document = analyzer.document()
            timed("json", to_json)(document)
    finally:
        pipeline.recognise, pipeline.judge, pipeline.assemble = usual
    return spent, document


def growth(folder: Path) -> str:
    """Nanoseconds of CPU a packet, by stage and size."""
    lines = [
        "# Growth",
        "",
        "Made by `python bench/stages.py --growth`: nanoseconds of CPU a packet by stage.",
        "",
        f"| profile | packets | flows | sessions | names | findings | {' | '.join(STAGES)} | all |",
        f"|---|{'---:|' * (len(STAGES) + 6)}",
    ]
    for name, sizes in SIZES.items():
        for size in sizes:
            path = folder / str(size) / f"{name}.pcap"
            truth = path.with_suffix(".truth.json")
            if not truth.exists() or json.loads(truth.read_text())["packets"] != size:
                generate.generate(name, size, path.parent)
            profile(path)  # Tables and modules are loaded once.
            spent, document = profile(path)
            each = [spent[stage] * 1e9 / size for stage in STAGES]
            counts = (
                size,
                document.statistics.flows,
                len(document.ice_sessions),
                len(document.mdns_names),
                len(document.findings),
            )
            cells = [name, *(f"{n:,}" for n in counts), *(f"{n:.0f}" for n in (*each, sum(each)))]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, ""])


def main() -> None:
    if "--growth" in sys.argv:
        where = [each for each in sys.argv[1:] if each != "--growth"]
        print(growth(Path(where[0] if where else tempfile.gettempdir() + "/pcapleak-growth")))
        return
    spent, document = profile(Path(sys.argv[1]))
    packets = document.statistics.packets
    for stage in STAGES:
        print(f"{stage:10} {spent[stage]:8.3f} s {spent[stage] * 1e9 / packets:8.0f} ns a packet")
    print(f"{'all':10} {sum(spent.values()):8.3f} s")


if __name__ == "__main__":
    main()

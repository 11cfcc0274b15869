"""What a watch writes to: opened while there is root, written as the user it runs as."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer
from msgspec import Struct

from pcapleak.cli.live_files import ReportFile, make_folder, open_output
from pcapleak.cli.live_screen import Screen

if TYPE_CHECKING:
    from pcapleak.cli.live_plan import Plan
    from pcapleak.live.evidence import EvidenceFile
    from pcapleak.live.privileges import User
    from pcapleak.live.recorder import Recorder
    from pcapleak.pipeline.watch import Watch
    from pcapleak.pipeline.watched import Source


class Outputs(Struct):
    """All that was asked for."""

    screen: Screen
    report: ReportFile | None = None
    recorder: Recorder | None = None
    evidence: EvidenceFile | None = None

    def start(self) -> None:
        """Begin the recording, once rights were dropped. Raises `PcapleakError`."""
        if self.recorder is not None:
            self.recorder.start()

    def keep(self, watch: Watch) -> None:
        """Record what the last step of the watch took."""
        if self.recorder is None:
            return
        if watch.last_batch is not None:
            self.recorder.write(watch.last_batch, watch.source.dropped, watch.programs.named())
            self.screen.unrecorded = self.recorder.missed
        if self.recorder.error is not None:
            self._say(watch, f"--record stopped: {self.recorder.error.strerror}")
            self.recorder.close()
            self.recorder = None

    def finish(self, watch: Watch) -> None:
        """Nothing will be recorded any more: say what was not."""
        recorder, self.recorder = self.recorder, None
        if recorder is None:
            return
        recorder.close()
        if recorder.missed:
            self._say(
                watch,
                (
                    f"--record: {recorder.missed:,} packets arrived faster than the disk could "
                    "take them"
                ),
            )
        if recorder.error is not None:
            self._say(watch, f"--record stopped: {recorder.error.strerror}")

    def _say(self, watch: Watch, text: str) -> None:
        """To who watches, and in the report."""
        watch.source.problems.append(text)
        self.screen.say(text)

    def close(self) -> None:
        """End them all."""
        self.screen.close()
        if self.recorder is not None:
            self.recorder.close()
        if self.evidence is not None:
            self.evidence.close()
            if self.evidence.error is not None:
                typer.echo(f"pcapleak: --evidence: {self.evidence.error.strerror}", err=True)
            elif self.evidence.cut:
                typer.echo(
                    "pcapleak: --evidence: some packets are missing because there were too "
                    "many; reduce --pre and --post",
                    err=True,
                )


def open_outputs(plan: Plan, source: Source, lines: list[str], user: User | None) -> Outputs:
    """Open them for its user; `lines` say what a watch judges by. Raises `PcapleakError`."""
    jsonl = None if plan.jsonl is None else open_output(plan.jsonl, user)
    if plan.tui:
        from pcapleak.cli.live_tui import Tui

        outputs = Outputs(Tui(source, lines, jsonl))
    else:
        outputs = Outputs(Screen(source, lines, jsonl))
    if plan.json is not None and str(plan.json) != "-":
        outputs.report = ReportFile(plan.json, user)
    if plan.record is not None:
        from pcapleak.live.recorder import Recorder

        make_folder(plan.record, user)
        outputs.recorder = Recorder(plan.record, plan.record_bytes, source.interfaces, source.notes)
    if plan.evidence is not None:
        from pcapleak.live.evidence import EvidenceFile

        outputs.evidence = EvidenceFile(
            open_output(plan.evidence, user),
            source.interfaces,
            int(plan.pre_s * 1e9),
            int(plan.post_s * 1e9),
            source.notes,
        )
    return outputs

"""One watch from its start to its report: what `live` and `guard` do once options are read."""

from __future__ import annotations

import gc
import signal
import sys
import time
from collections.abc import Iterable
from functools import partial
from math import inf
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import typer

from pcapleak.cli.hooks import Hooks
from pcapleak.cli.live_options import Via
from pcapleak.cli.live_plan import Plan
from pcapleak.cli.status import exit_status
from pcapleak.errors import PcapleakError
from pcapleak.live import need_linux
from pcapleak.values.findings import Severity

if TYPE_CHECKING:
    from pcapleak.cli.confinement import Confinement
    from pcapleak.cli.live_outputs import Outputs
    from pcapleak.live.command import Command
    from pcapleak.live.machine import Machine
    from pcapleak.pipeline.awaited import AwaitedPage
    from pcapleak.pipeline.watch import Watch
    from pcapleak.policy.policy import Policy
    from pcapleak.report.document import Document
    from pcapleak.report.update import Update

REPORT_EVERY_S = 5.0
"""A crash loses so much of the report at most."""
STATUS_EVERY_S = 5.0
ASKED_TO_END_S = 0.5
"""What the last judgement may take once a signal has asked for the end; else the one before it
stands."""
LAST_S = 5.0
"""The same where the watch ends by itself. A stream that has ended is judged to the end."""
SETTLE_S = 1.0
"""How long a guarded command's last packets are waited for."""
SOURCE_ENDED = "the source ended"
_ENDING = [
    getattr(signal, name)
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")
    if hasattr(signal, name)
]
"""Signals that ask for the end; no system has all (SIGBREAK is Ctrl-Break on Windows)."""


def run(plan: Plan) -> int:
    """Watch until told to stop; gives the exit status.

    Raises `PcapleakError` where the watch cannot begin.
    """
    if plan.command and sys.platform == "win32":
        raise PcapleakError(
            "guard: on Windows a command cannot be kept from its watch; let pcapleak live watch in "
            "another window while it runs"
        )
    sockets = plan.via in (Via.RING, Via.SCAPY)
    if sockets:
        need_linux()
    from pcapleak.cli.live_outputs import open_outputs
    from pcapleak.cli.preload import preload
    from pcapleak.cli.relearning import ask_again, relearning
    from pcapleak.live.opening import open_source
    from pcapleak.live.owners import Owners, OwnersBeside, RootOwners
    from pcapleak.live.privileges import drop_privileges, ordinary_user
    from pcapleak.live.processes import Processes
    from pcapleak.pipeline.awaited import AwaitedPage
    from pcapleak.pipeline.watch import Watch

    choose_screen(plan)
    policy, lines, machine = _policy(plan)
    pages = [AwaitedPage(path) for path in plan.pages]
    lines += [_waits_for(page) for page in pages]
    user = ordinary_user()
    command = None
    if plan.command:
        from pcapleak.live.command import Command, command_user, watching_user

        whose = command_user(plan.user)
        taken = "-" in (str(plan.json), str(plan.jsonl))
        command = Command(plan.command, whose, to_stderr=taken)
        user = watching_user(whose)
    # These processes are made before there are packets, so that they hold none.
    drop = partial(drop_privileges, user)
    hooks = Hooks(plan.exec, plan.fail_on or Severity.HIGH, drop)
    owners: Owners | OwnersBeside | RootOwners | None = None
    hidden = not plan.keep_root or user is None
    if sockets:
        if not hidden:
            owners = RootOwners()
        else:  # what is guarded is not confined
            owners = OwnersBeside(drop) if command is None else Owners()
    peers = ask_again(plan, machine)
    source = open_source(plan.via.value, tuple(plan.ifaces), plan.filter, machine)
    lines += [f"{gap}: no verdict of no leak can come of this" for gap in source.gaps]
    try:
        outputs = open_outputs(plan, source, lines, user)
        preload(policy, user)
        _settle_memory()
        confinement = None if command is not None else _confinement(plan, policy)
        drop_privileges(user)
        if confinement is not None:
            confinement.enter()
        outputs.start()
        source.start()
        processes = None if owners is None else Processes(owners, hidden=hidden)
        watch = Watch(
            source,
            policy,
            processes=processes,
            evidence=outputs.evidence,
            guarded=command is not None,
            relearn=relearning(plan, machine, policy, source, peers),
        )
        try:
            document = _Run(plan, watch, outputs, command, hooks, pages).until_the_end()
        finally:
            outputs.close()
            if command is not None:
                command.stop()
    finally:
        source.close()
        hooks.close()
        if isinstance(owners, OwnersBeside | RootOwners):
            owners.close()
        if peers is not None:
            peers.close()
    status = exit_status([document], plan.fail_on)
    _finish(plan, document, status)
    return status


def choose_screen(plan: Plan) -> None:
    """The screen that answers to keys where a terminal is in front of it, unless told otherwise.

    Raises `PcapleakError` where it was asked for and cannot be.
    """
    if plan.plain:
        return
    from pcapleak.cli.live_tui import why_no_screen

    hindrance = why_no_screen(plan.via)
    if plan.tui and hindrance:
        raise PcapleakError(f"--tui: {hindrance}")
    plan.tui = not hindrance


def _policy(plan: Plan) -> tuple[Policy, list[str], Machine | None]:
    """The policy completed from the machine, what is said of it, and the machine."""
    if plan.via is Via.STDIN:
        return plan.policy, [], None
    from pcapleak.live.machine import read_machine
    from pcapleak.live.machine_policy import describe, infer_policy

    machine = read_machine()
    result = infer_policy(machine, plan.policy)
    return result.policy, describe(result, machine), machine


def _waits_for(page: AwaitedPage) -> str:
    if page.is_old:
        return (
            f"{page.path} is from before: it is read once it is written anew (remove it, or the "
            "browser gives the new one another name)"
        )
    return f"waiting for {page.path}, which the page saves"


def _confinement(plan: Plan, policy: Policy) -> Confinement:
    """What the watch needs once it has what it watches."""
    from pcapleak.cli.confinement import WATCHED, Confinement

    places = [Path(name) for name in (*policy.geo_databases, *policy.geo_maps)]
    places += [Path(page).absolute().parent for page in plan.pages]  # still to come
    folders = [] if plan.record is None else [plan.record]
    if plan.json is not None and str(plan.json) != "-":
        folders.append(plan.json.parent)
    return Confinement([*places, *WATCHED], folders, watching=True)


def _settle_memory() -> None:
    """Spare the collector what stays for good: at full rate its rounds would cost packets."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)


class _Run:
    """The loop of a watch."""

    def __init__(
        self,
        plan: Plan,
        watch: Watch,
        outputs: Outputs,
        command: Command | None,
        hooks: Hooks,
        pages: Iterable[AwaitedPage],
    ) -> None:
        self.plan = plan
        self.watch = watch
        self.outputs = outputs
        self.command = command
        self.reason: str | None = None
        self.hooks = hooks
        self._reported_s = time.monotonic()
        self._told_s = time.monotonic()
        self._unwritten = False
        self._pages = list(pages)

    def until_the_end(self) -> Document:
        """The final report."""
        # What was started to outlive its terminal does.
        ending = [number for number in _ENDING if signal.getsignal(number) != signal.SIG_IGN]
        before = {number: signal.signal(number, self._stop) for number in ending}
        try:
            self.outputs.screen.start()
            if self.command is not None:
                self.command.start()
            update = self.outputs.screen.host(self._work, self._end)
        finally:
            self.watch.close()
            for number, handler in before.items():
                signal.signal(number, handler)
        self._report(update.document, last=True)
        return update.document

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self.reason = signal.Signals(number).name

    def _end(self, reason: str) -> None:
        self.reason = self.reason or reason

    def _work(self) -> Update:
        """Watch until there is a reason to end; the last judgement."""
        self._loop()
        if self.command is not None and self.command.status is None:
            self.command.stop()
            self.command = None
        self.watch.source.stop()
        self._look_for_pages(last=True)
        within_s = self._within_s()
        for _ in self.watch.take_rest(inf if within_s is None else within_s / 2):
            self.outputs.keep(self.watch)
        self.outputs.finish(self.watch)
        update = self.watch.finish(within_s)
        self._tell(update)
        self.outputs.screen.end(self.watch, update, self.reason or "")
        return update

    def _within_s(self) -> float | None:
        """Seconds there are for the last judgement."""
        if self.reason in [number.name for number in _ENDING]:
            return ASKED_TO_END_S
        return None if self.reason == SOURCE_ENDED else LAST_S

    def _loop(self) -> None:
        end_s = None if self.plan.duration is None else time.monotonic() + self.plan.duration
        settled_s: float | None = None
        while self.reason is None:
            update = self.watch.step()
            self.outputs.keep(self.watch)
            if update is not None:
                self._tell(update)
            self._look_for_pages()
            now_s = time.monotonic()
            if now_s - self._told_s > STATUS_EVERY_S:
                self._told_s = now_s
                self.outputs.screen.status(self.watch)
            self.outputs.screen.tick(self.watch)
            if end_s is not None and now_s >= end_s:
                self.reason = "duration"
            elif self.plan.count is not None and self.watch.packets >= self.plan.count:
                self.reason = "count"
            elif self.watch.ended:
                self.reason = SOURCE_ENDED
            elif self.command is not None and self.command.poll() is not None:
                if settled_s is None:
                    settled_s = now_s + SETTLE_S
                    self._ended(self.command)
                if now_s >= settled_s:
                    self.reason = self.command.ending

    def _ended(self, command: Command) -> None:
        """A failure of the command is nobody's leak, and may be why there was none."""
        if command.status:
            self.watch.source.problems.append(command.ending)
            self.outputs.screen.say(command.ending)

    def _look_for_pages(self, *, last: bool = False) -> None:
        """Take what pages saved meanwhile; at the end, say what did not come."""
        for page in self._pages:
            before = page.problem
            evidence = page.poll(now=last)
            if evidence is not None:
                self.watch.add_page(str(page.path), evidence)
                count = len(evidence.candidates)
                noun = "candidate" if count == 1 else "candidates"
                self.outputs.screen.say(f"{page.path} is there: the page read {count} {noun}")
            elif page.problem is not None and page.problem != before:
                self.outputs.screen.say(page.problem)
            lacks = page.lacks() if last else None
            if lacks is not None:
                self.watch.source.problems.append(f"--page: {lacks}")

    def _tell(self, update: Update) -> None:
        self.outputs.screen.update(self.watch, update)
        self.hooks.add(update.findings)
        if self.plan.until_leak and update.document.verdict.result == "leak":
            self.reason = self.reason or "a leak"
        now_s = time.monotonic()
        if now_s - self._reported_s > REPORT_EVERY_S:
            self._reported_s = now_s
            self._report(update.document)

    def _report(self, document: Document, *, last: bool = False) -> None:
        if self.outputs.report is None:
            return
        from pcapleak.report.writers.json import to_json

        try:
            self.outputs.report.replace(to_json(document), last=last)
        except OSError as error:
            # The next one may fit again.
            if not self._unwritten:
                self.outputs.screen.say(f"--json: cannot be written ({error.strerror})")
            self._unwritten = True


def _finish(plan: Plan, document: Document, status: int) -> None:
    """The report on standard output, unless that is for something else."""
    if plan.json is not None and str(plan.json) == "-":
        from pcapleak.report.writers.json import to_json

        typer.echo(to_json(document), nl=False)
    elif plan.jsonl is None or str(plan.jsonl) != "-":
        from pcapleak.cli.console import page_console
        from pcapleak.report.writers.terminal import print_closing, print_report

        console = page_console(sys.stdout)
        print_report(document, console)
        print_closing([document], status, console)

"""`pcapleak interfaces`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pcapleak.live.machine import Machine


def interfaces() -> None:
    """List this machine's interfaces: what each is, and what a watch would judge by.

    It reads the kernel's tables, settings and files, and sends nothing.
    """
    from pcapleak.cli.console import page_console
    from pcapleak.live.machine import read_machine
    from pcapleak.live.machine_policy import describe, infer_policy
    from pcapleak.policy.policy import Policy

    machine = read_machine()
    _print_table(machine)
    result = infer_policy(machine, Policy())
    console = page_console(sys.stdout)
    console.print("\nA watch would judge by:", soft_wrap=True)
    for line in describe(result, machine):
        console.print(f"  {line}", soft_wrap=True)
    console.print(f"\nCapture: {_readiness()}", soft_wrap=True)


def _readiness() -> str:
    """Whether a watch could capture now, or what it lacks."""
    if sys.platform != "linux":
        return "by dumpcap, which comes with Wireshark"
    from pcapleak.live import may_capture
    from pcapleak.live.ring import CaptureRightsError

    return "ready" if may_capture() else str(CaptureRightsError()).removeprefix("live: ")


def _print_table(machine: Machine) -> None:
    from rich.table import Table

    from pcapleak.cli.console import page_console
    from pcapleak.report.text import safe

    table = Table(box=None, pad_edge=False, header_style="dim")
    for title in ("interface", "kind", "state", "default route", "addresses", "why"):
        table.add_column(title, overflow="fold")
    for device in machine.devices:
        table.add_row(
            safe(device.name),
            device.kind,
            "up" if device.is_up else "down",
            "yes" if machine.is_default(device) else "",
            "\n".join(device.addresses),
            device.reason,
        )
    page_console(sys.stdout).print(table)

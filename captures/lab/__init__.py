"""The lab: real browsers behind real proxies and tunnels, recorded together with the truth.

``python -m captures.lab NAME...`` builds a small internet out of network namespaces, drives a
browser through one scenario in it, records the interfaces of the browser's host and writes
``NAME.pcapng`` with ``NAME.json``, the answer key. Nothing leaves the namespaces. Needs root.
"""

from pathlib import Path

from .processes import LabError
from .recording import Paths, record_scenario
from .scenarios import SCENARIOS
from .session import Beside

__all__ = ["SCENARIOS", "Beside", "LabError", "Paths", "record"]


def record(name: str, output: Path, beside: Beside | None = None) -> Paths:
    """Play the scenario ``name`` and write its capture and its answer key into ``output``.

    ``beside`` runs on the recorded host from before the first packet until after the last.

    Raises `LabError` if there is no such scenario or something in it does not work.
    """
    for scenario in SCENARIOS:
        if scenario.name == name:
            return record_scenario(scenario, output, beside)
    raise LabError(f"no scenario {name!r}; there are {', '.join(s.name for s in SCENARIOS)}")

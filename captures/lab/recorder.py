"""Recording: one dumpcap an interface, merged afterwards into one named pcapng.

One dumpcap on two interfaces stops as soon as one of them vanishes, which is the very moment a
dropped tunnel is recorded for.
"""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

from .network import Host
from .processes import LabError, Process


class Recorder:
    """The recordings of one host's interfaces."""

    def __init__(self, host: Host, scratch: Path) -> None:
        self._host = host
        self._scratch = scratch
        self._files: list[Path] = []
        self._running: list[Process] = []

    def add(self, interface: str, *options: str) -> None:
        """Record one more interface, from now on."""
        path = self._scratch / f"{len(self._files)}-{interface}.pcapng"
        process = self._host.start(
            "dumpcap", "-q", "-B", "8", "-i", interface, *options, "-w", str(path),
            stop_signal=signal.SIGINT,
        )  # fmt: skip
        self._files.append(path)
        self._running.append(process)
        process.wait_for("File: ")

    @property
    def started(self) -> bool:
        """Whether any recording was started."""
        return bool(self._files)

    def stop(self) -> None:
        """End all recordings; safe to call twice."""
        for process in self._running:
            process.stop()
        self._running.clear()

    def merge(self, path: Path, *editing: str, key_log: Path | None = None) -> None:
        """Write all that was recorded, in the order of time, one interface block a recording.

        ``editing`` goes to editcap; ``key_log`` is put into the file as TLS secrets.
        """
        self.stop()
        merged = self._scratch / "merged.pcapng"
        # Names without folders: mergecap writes them into the file's comment.
        names = [file.name for file in self._files]
        self._tool("mergecap", "-I", "none", "-w", merged.name, *names)
        if key_log is not None:
            editing = (*editing, "--inject-secrets", f"tls,{key_log.name}")
        if editing:
            self._tool("editcap", *editing, merged.name, "edited.pcapng")
            merged = self._scratch / "edited.pcapng"
        path.write_bytes(merged.read_bytes())

    def _tool(self, *argv: str) -> None:
        done = subprocess.run(argv, cwd=self._scratch, capture_output=True, text=True, check=False)
        if done.returncode:
            raise LabError(f"{argv[0]}: {done.stderr.strip()}")

"""A few captures of real browsers that come with the package: what the notebooks work on.

    >>> from pcapleak import samples
    >>> pcapleak.analyze(samples.path("socks.pcapng"))

captures/README.md says how each was recorded. Their addresses are documentation ranges.
"""

from __future__ import annotations

from pathlib import Path

SAMPLES = (
    "cases/l-loopback-channel.pcapng",
    "cases/l-turn-pivot.pcap",
    "direct.pcapng",
    "dns-beside-tunnel.pcapng",
    "full-tunnel.pcapng",
    "lan-pair.pcapng",
    "microphone.pcapng",
    "mode-3.pcapng",
    "mode-4.pcapng",
    "page/mode-3.json",
    "page/mode-3.pcapng",
    "page/socks.json",
    "page/socks.pcapng",
    "places.toml",
    "socks.json",
    "socks.pcapng",
    "tunnel-drop.pcapng",
    "turn-tcp.pcapng",
    "video-call.pcapng",
)
"""By the names that they have in the repository's `captures`."""

_HERE = Path(__file__).parent
_FOLDERS = (_HERE, _HERE.parent.parent / "captures")
"""Where a built package has them, and where a source tree has them."""


def path(name: str) -> Path:
    """The file of one of `SAMPLES`. Raises `FileNotFoundError` naming them for any other name."""
    if name not in SAMPLES:
        raise FileNotFoundError(f"no sample is called {name!r}; there are {', '.join(SAMPLES)}")
    for folder in _FOLDERS:
        if (folder / name).is_file():
            return folder / name
    raise FileNotFoundError(f"the sample {name} is missing from this installation")

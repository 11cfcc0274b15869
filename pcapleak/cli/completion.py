"""What a shell completes: findings, kinds of traffic, protocols, interfaces, policy files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

Completer = Callable[[str], list[str]]


def among(words: Callable[[], Iterable[str]]) -> Completer:
    """Completes the last of comma-separated words."""

    def complete(incomplete: str) -> list[str]:
        before, comma, last = incomplete.rpartition(",")
        return [f"{before}{comma}{word}" for word in words() if word.startswith(last)]

    return complete


def _findings() -> Iterator[str]:
    from pcapleak.judge.findings import KINDS

    for kind in KINDS:
        yield kind.id
        yield kind.name


def _kinds() -> Iterable[str]:
    from pcapleak.values.findings import TRAFFIC_KINDS

    return TRAFFIC_KINDS


def _protocols() -> Iterable[str]:
    from pcapleak.explain.messages import WORDS

    return WORDS


def _interfaces() -> Iterable[str]:
    import sys

    if sys.platform == "win32":
        import psutil  # slower to load, and knows what Windows shows

        return list(psutil.net_if_stats())
    import socket

    return [name for _, name in socket.if_nameindex()]


def _toml(incomplete: str) -> list[str]:
    """Folders, and files that may be policies."""
    from pathlib import Path

    folder, slash, begun = incomplete.rpartition("/")
    try:
        found = sorted(Path(f"{folder}{slash}" or ".").expanduser().iterdir())
    except OSError:
        return []
    shown = [one for one in found if begun.startswith(".") or not one.name.startswith(".")]
    return [
        f"{folder}{slash}{one.name}{'/' if one.is_dir() else ''}"
        for one in shown
        if one.name.startswith(begun) and (one.is_dir() or one.suffix == ".toml")
    ]


FINDING = among(_findings)
KIND = among(_kinds)
PROTOCOL = among(_protocols)
INTERFACE = among(_interfaces)
TOML: Completer = _toml

BY_OPTION = {"--require": KIND, "--tunnel": INTERFACE, "--uplink": INTERFACE}
"""For options of the policy."""

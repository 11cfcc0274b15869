"""What a shell completes: finding ids and names, kinds of traffic, protocols, interfaces."""

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
    import socket

    return [name for _, name in socket.if_nameindex()]


FINDING = among(_findings)
KIND = among(_kinds)
PROTOCOL = among(_protocols)
INTERFACE = among(_interfaces)

BY_OPTION = {"--require": KIND, "--tunnel": INTERFACE, "--uplink": INTERFACE}
"""For options of the policy."""

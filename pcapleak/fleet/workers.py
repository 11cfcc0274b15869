"""Who does a batch's work: processes of this machine, or a dask cluster."""

from __future__ import annotations

import os
import sys
from collections.abc import Collection, Iterator, Sequence
from functools import partial
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import SplitResult, urlsplit

from pcapleak.errors import PcapleakError
from pcapleak.fleet.tasks import examine, reason
from pcapleak.pipeline.children import share_out
from pcapleak.policy.policy import Policy

if TYPE_CHECKING:
    from distributed import Client
    from distributed import Future as FutureOf

TRIES = 3
"""How often a capture is begun whose worker is lost each time."""
ENCRYPTED = ("tls", "wss")
DASK_PORT = 8786
"""Where a scheduler listens unless told otherwise."""


class Answer(NamedTuple):
    """What came back for one capture."""

    path: str
    text: str | None
    """As `examine` gives it."""
    error: str = ""
    """Why nothing came."""


def local_answers(
    paths: Sequence[str], policy: Policy, known: Collection[str], workers: int | None = None
) -> Iterator[Answer]:
    """The answers of processes of this machine, as they come.

    A capture whose process is lost is begun again, the last time with no other beside it: what
    kills may be that there are several.
    """
    examined = partial(examine, policy=policy, known=frozenset(known))
    left = list(paths)
    for turn in range(TRIES):
        last = turn == TRIES - 1
        lost: list[str] = []
        processes = 1 if last else workers or os.cpu_count() or 1
        for number, text in share_out(left, examined, processes):
            if text is None and not last:
                lost.append(left[number])
            else:
                yield Answer(left[number], text, "" if text else "its process was killed")
        left = lost


def cluster_answers(
    client: Client, paths: Sequence[str], policy: Policy, known: Collection[str]
) -> Iterator[Answer]:
    """The answers of a dask cluster, as they come."""
    from distributed import as_completed

    # A task's result, unlike scattered data, is made again where its worker was lost.
    shared: FutureOf[frozenset[str]] = client.submit(frozenset, sorted(known), pure=False)
    waiting = {
        # A file's name may be no text, and dask's keys must be.
        client.submit(
            examine, path, policy, shared, key=f"examine-{number}-{path!a}", retries=TRIES - 1
        ): path
        for number, path in enumerate(paths)
    }
    for future in as_completed(waiting):
        error = future.exception()
        if error is not None:
            yield Answer(waiting[future], None, reason(error))
        else:
            yield Answer(waiting[future], future.result())
        future.release()


def connect(scheduler: str, *, insecure: bool = False) -> Client:
    """A client of the dask scheduler at an address (`tls://HOST:8786`).

    dask's own messages are pickles, so whoever can speak to the cluster runs code on all of it,
    here too. Without TLS that is whoever the network lets through; so an address that is neither
    encrypted nor of this machine is refused unless `insecure`, and so is one of this machine that
    another user listens at. Raises `PcapleakError`.
    """
    url = urlsplit(scheduler if "://" in scheduler else f"tcp://{scheduler}")
    if not insecure and url.scheme not in ENCRYPTED:
        if not _is_loopback(url.hostname):
            raise PcapleakError(
                f"{scheduler}: neither uses TLS nor is on this machine, and whoever reaches a dask "
                "cluster can run code on it and here; give a tls:// address, or --insecure on a "
                "trusted network"
            )
        if sys.platform == "linux" and (strangers := _listeners(url) - {0, os.geteuid()}):
            raise PcapleakError(
                f"{scheduler}: user {min(strangers)} listens there, who could run code here; "
                "give the address of a scheduler of your own, or --insecure if you trust them"
            )
    try:
        from distributed import Client
    except ImportError as error:
        raise missing(error) from error
    try:
        return Client(scheduler, timeout=10)
    except (OSError, ValueError, TypeError) as error:
        raise PcapleakError(
            f"no dask scheduler answers at {scheduler}; start `dask scheduler` there, and for "
            "TLS give its certificates in dask's configuration (distributed.comm.tls)"
        ) from error


def _is_loopback(host: str | None) -> bool:
    try:
        return host == "localhost" or ip_address(host or "").is_loopback
    except ValueError:
        return False


def _listeners(url: SplitResult) -> set[int]:
    """The users that listen at a URL's port of this machine, where the system tells (Linux:
    proc_net_tcp)."""
    try:
        port = url.port or DASK_PORT
    except ValueError:
        # No port at all: dask says so.
        return set()
    found = set()
    for table in map(Path, ("/proc/net/tcp", "/proc/net/tcp6")):
        for line in table.read_text().splitlines()[1:] if table.exists() else ():
            _, local, _, state, _, _, _, user, *_ = line.split()
            if state == "0A" and int(local.rpartition(":")[2], 16) == port:
                found.add(int(user))
    return found


def missing(error: ImportError) -> PcapleakError:
    """What is needed for what was asked."""
    return PcapleakError(
        f"{error.name} is not installed; install it with: pip install distributed fsspec"
    )

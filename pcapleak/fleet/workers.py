"""Who does a batch's work: processes of this machine, or a dask cluster."""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import SplitResult, urlsplit

from pcapleak.errors import PcapleakError
from pcapleak.fleet.tasks import examine, reason
from pcapleak.pipeline.children import end_with_parent
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

    A process that is lost takes with it what others had begun: all of it is begun again, the
    last time each in a process of its own, so that only the capture that kills costs its row.
    """
    left = list(paths)
    for turn in range(TRIES):
        together = [left] if turn < TRIES - 1 else [[path] for path in left]
        left = []
        for group in together:
            for answer in _pool_answers(group, policy, known, workers):
                if answer.text is None and turn < TRIES - 1:
                    left.append(answer.path)
                else:
                    yield answer


def _pool_answers(
    paths: Sequence[str], policy: Policy, known: Collection[str], workers: int | None
) -> Iterator[Answer]:
    """The answers of one pool; without text for what was lost with a process."""
    spawn = multiprocessing.get_context("spawn")
    prepared = (policy, frozenset(known))
    with ProcessPoolExecutor(workers, spawn, _prepare, prepared) as pool:
        waiting: dict[Future[str], str] = {}
        lost: list[str] = []
        for path in paths:
            try:
                waiting[pool.submit(_examine, path)] = path
            except BrokenProcessPool:
                lost.append(path)
        for future in as_completed(waiting):
            path = waiting[future]
            try:
                yield Answer(path, future.result())
            except BrokenProcessPool:
                lost.append(path)
        for path in lost:
            yield Answer(path, None, "its process was killed")


_policy = Policy()
_known: frozenset[str] = frozenset()


def _prepare(policy: Policy, known: frozenset[str]) -> None:
    """Runs first in a process of the pool."""
    global _policy, _known
    end_with_parent()
    _policy, _known = policy, known


def _examine(path: str) -> str:
    return examine(path, _policy, _known)


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

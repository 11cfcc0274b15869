"""Runs a batch: finds the captures, spreads them, keeps the reports, and joins the rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from glob import glob, has_magic
from os.path import realpath
from pathlib import Path
from typing import TYPE_CHECKING

from pcapleak.capture import find_captures
from pcapleak.errors import PcapleakError
from pcapleak.fleet.fleet import Fleet, Row, summarise
from pcapleak.fleet.tasks import Examined, examine, failed, gather, join
from pcapleak.policy.policy import Policy
from pcapleak.report.writers.json import from_json_one

if TYPE_CHECKING:
    from distributed import Client, Future

FAN_IN = 32
"""Rows or fleets that one task joins."""

Progress = Callable[[int, int], None]
"""Called with the captures done and the captures there are."""


def find(paths: Sequence[str]) -> list[str]:
    """The captures meant by files, folders, patterns and fsspec URLs, without repetition.

    Raises `PcapleakError` where one of them leads to nothing.
    """
    found: list[str] = []
    for path in paths:
        if "://" in path:
            these = _remote(path)
        elif has_magic(path):
            names = sorted(glob(path, recursive=True))  # noqa: PTH207  Path takes no absolute one
            these = list(find_captures(names, recursive=True))
        else:
            these = list(find_captures([path], recursive=True))
        if not these:
            raise PcapleakError(f"{path}: leads to no capture; give another path or pattern")
        found += these
    # One file may be named in several ways; it is shown as it was named first.
    once: dict[str, str] = {}
    for path in found:
        once.setdefault(path if "://" in path else realpath(path), path)
    return list(once.values())


def _remote(url: str) -> list[str]:
    if not has_magic(url):
        return [url]
    try:
        import fsspec
    except ImportError as error:
        raise _missing(error) from error
    system, _, _ = fsspec.get_fs_token_paths(url)
    return [str(system.unstrip_protocol(path)) for path in sorted(system.glob(url))]


def _missing(error: ImportError) -> PcapleakError:
    return PcapleakError(f"{error.name} is not installed; pip install 'pcapleak[cluster]'")


@contextmanager
def cluster(scheduler: str, workers: int | None = None) -> Iterator[Client]:
    """A client of the scheduler at an address, or of `workers` processes of this machine where
    it is `local`. Raises `PcapleakError` where there is none.
    """
    try:
        from distributed import Client, LocalCluster
    except ImportError as error:
        raise _missing(error) from error
    if scheduler != "local":
        try:
            client = Client(scheduler, timeout=10)
        except (OSError, ValueError) as error:
            raise PcapleakError(
                f"no dask scheduler answers at {scheduler}; start `dask scheduler` there"
            ) from error
        with client:
            yield client
        return
    with (
        LocalCluster(
            n_workers=workers, threads_per_worker=1, processes=True, dashboard_address=None
        ) as machine,
        Client(machine) as client,
    ):
        yield client


def run(
    client: Client,
    paths: Sequence[str],
    policy: Policy,
    results: Path | None = None,
    progress: Progress | None = None,
) -> Fleet:
    """Analyze the captures, each in a task of its own, and join what they show.

    Reports are kept in the folder `results` as they come, and those kept there by an earlier
    run are not made again. A capture whose workers are lost again and again, or that cannot be
    read, costs its row.
    """
    from distributed import as_completed

    kept = _kept(results)
    # A task's result, unlike scattered data, is made again where its worker was lost.
    known: Future[frozenset[str]] = client.submit(frozenset, sorted(kept), pure=False)
    futures = {
        # A file's name may be no text, and dask's keys must be.
        client.submit(
            examine, path, policy, known, key=f"examine-{number}-{path!a}", retries=2
        ): path
        for number, path in enumerate(paths)
    }
    rows: list[Row] = []
    for future in as_completed(futures):
        error = future.exception()
        if error is not None:
            rows.append(failed(futures[future], error))
        else:
            rows.append(_settle(future.result(), kept, results))
        future.release()
        if progress is not None:
            progress(len(rows), len(paths))
    return _joined(client, rows)


def serial(paths: Sequence[str], policy: Policy) -> Fleet:
    """The same in this process, one after the other."""
    return gather([examine(path, policy).row for path in paths])


def _kept(results: Path | None) -> dict[str, Path]:
    if results is None:
        return {}
    results.mkdir(parents=True, exist_ok=True)
    return {file.stem: file for file in results.glob("*.json")}


def _settle(examined: Examined, kept: dict[str, Path], results: Path | None) -> Row:
    """Keep a new report; read a known one."""
    row = examined.row
    if examined.report is not None and results is not None:
        target = results / f"{row.key}.json"
        part = target.with_suffix(".part")
        part.write_text(examined.report, encoding="utf-8")
        part.replace(target)
    elif examined.report is None and row.key in kept:
        document = from_json_one(kept[row.key].read_text(encoding="utf-8"))
        return summarise(document, row.path, row.key)
    return row


def _joined(client: Client, rows: list[Row]) -> Fleet:
    """The rows merged as a tree, on the workers."""
    if not rows:
        return Fleet()
    rows.sort(key=lambda row: row.path)
    level = [
        client.submit(gather, rows[at : at + FAN_IN], pure=False)
        for at in range(0, len(rows), FAN_IN)
    ]
    while len(level) > 1:
        level = [
            client.submit(join, level[at : at + FAN_IN], pure=False)
            for at in range(0, len(level), FAN_IN)
        ]
    fleet: Fleet = level[0].result()
    return fleet

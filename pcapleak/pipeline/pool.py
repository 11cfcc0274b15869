"""Analyzing many captures with several processes, each capture for itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from pathlib import Path

from pcapleak.errors import CaptureError
from pcapleak.pipeline.jobs import process_pool
from pcapleak.pipeline.report_of import analyze_together
from pcapleak.policy.policy import Policy
from pcapleak.report.document import Document


def analyze_each(
    paths: Sequence[str | Path],
    policy: Policy | None,
    jobs: int,
    pages: Iterable[str | Path] = (),
    key_log: str | Path | None = None,
    *,
    all_flows: bool,
    failed: Callable[[CaptureError], None] | None = None,
) -> Iterator[Document]:
    """The report of each capture, in the order of `paths`.

    `failed` is told of each capture that cannot be read at all; without it, the `CaptureError`
    is raised.
    """
    told = list(pages)
    with process_pool(min(jobs, max(1, len(paths)))) as pool:
        waiting: list[Future[Document | CaptureError]] = [
            pool.submit(_analyze, path, policy, told, key_log, all_flows) for path in paths
        ]
        for number, future in enumerate(waiting):
            outcome = future.result()
            waiting[number] = Future()  # Reports already given away need no room.
            if isinstance(outcome, Document):
                yield outcome
            elif failed is not None:
                failed(outcome)
            else:
                pool.shutdown(wait=False, cancel_futures=True)
                raise outcome


def _analyze(
    path: str | Path,
    policy: Policy | None,
    pages: list[str | Path],
    key_log: str | Path | None,
    all_flows: bool,
) -> Document | CaptureError:
    try:
        return analyze_together([path], policy, pages=pages, key_log=key_log, all_flows=all_flows)
    except CaptureError as error:
        return error

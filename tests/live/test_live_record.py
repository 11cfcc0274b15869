"""Recording and evidence under a disk that is slow, full, or fails half way."""

from __future__ import annotations

import ctypes
import json
import os
import random
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from live_support import FLOOD, Watching
from netns import hosts

from pcapleak import analyze, open_capture
from pcapleak.capture import PcapngWriter, vectors
from pcapleak.live import evidence as evidence_module
from pcapleak.live import writer_thread as scribe_module
from pcapleak.live.evidence import EvidenceFile
from pcapleak.live.recorder import Recorder
from pcapleak.values.packets import Direction, Interface, RecordBatch
from pcapleak.values.programs import Program

ETH = Interface(0, 0, 1, "eth0")
TUN = Interface(1, 0, 101, "tun0")
SECOND = 1_000_000_000


def batch_at(times_ns: list[int], first: int = 1, sizes: list[int] | None = None) -> RecordBatch:
    """Packets of two interfaces, outgoing and incoming in turns, with gaps between them."""
    count = len(times_ns)
    length = np.array(sizes or [60] * count, np.int64)
    stop = np.cumsum(length + 5)
    rows = np.arange(count)
    return RecordBatch(
        data=np.random.default_rng(first).integers(0, 256, int(stop[-1]) + 128, np.uint8),
        offset=stop - length,
        captured_length=length,
        original_length=length + 3,
        ts_ns=np.array(times_ns, np.int64),
        frame=rows + first,
        interface=(rows % 2).astype(np.int32),
        link_type=np.where(rows % 2, 101, 1).astype(np.int32),
        direction=np.where(rows % 3, Direction.INBOUND, Direction.OUTBOUND).astype(np.uint8),
    )


def one_by_one(path: Path, batch: RecordBatch) -> bytes:
    assert batch.direction is not None
    with PcapngWriter(path) as writer:
        for interface in (ETH, TUN):
            writer.add_interface(interface)
        for row in range(len(batch)):
            start = int(batch.offset[row])
            writer.write(
                (ETH, TUN)[int(batch.interface[row])],
                int(batch.ts_ns[row]),
                batch.data[start : start + int(batch.captured_length[row])].tobytes(),
                int(batch.original_length[row]),
                direction=Direction(int(batch.direction[row])),
            )
    return path.read_bytes()


def many() -> RecordBatch:
    """More packets than one system call takes, of every remainder by four."""
    random.seed(3)
    sizes = [0, 1, 2, 3, 65_535, *(random.randrange(200) for _ in range(3000))]
    return batch_at([1 << 62 | number for number in range(len(sizes))], sizes=sizes)


def test_a_batch_is_written_as_its_packets_are(tmp_path: Path) -> None:
    batch = many()
    with PcapngWriter(tmp_path / "batch.pcapng") as writer:
        writer.write_batch(batch, [ETH, TUN])
    assert (tmp_path / "batch.pcapng").read_bytes() == one_by_one(tmp_path / "one", batch)


def test_what_the_kernel_takes_in_part_is_written_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A system call may write as little as it likes, also of one packet."""

    class Reluctant:
        def __init__(self, *_: object, **__: object) -> None:
            pass

        def writev(self, descriptor: int, place: ctypes.c_void_p, count: int) -> int:
            pairs = np.ctypeslib.as_array(
                ctypes.cast(place, ctypes.POINTER(ctypes.c_int64)), (count, 2)
            )
            data = b"".join(ctypes.string_at(at, size) for at, size in pairs[:4].tolist())
            return os.write(descriptor, data[: random.randrange(1, 100)])

    batch = batch_at(list(range(300)), sizes=[number % 90 for number in range(300)])
    expected = one_by_one(tmp_path / "one", batch)
    with PcapngWriter(tmp_path / "batch.pcapng") as writer:
        monkeypatch.setattr(vectors.ctypes, "CDLL", Reluctant)
        writer.write_batch(batch, [ETH, TUN])
    assert (tmp_path / "batch.pcapng").read_bytes() == expected


@pytest.fixture
def slow_disk(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Nothing is written before the fixture's function is called; two batches may wait."""
    gate = threading.Event()
    write = PcapngWriter.write_batch

    def wait(self: PcapngWriter, batch: RecordBatch, interfaces: list[Interface]) -> int:
        gate.wait(20)
        return write(self, batch, interfaces)

    monkeypatch.setattr(PcapngWriter, "write_batch", wait)
    monkeypatch.setattr(scribe_module, "MAX_WAITING", 2 * batch_at([0] * 10).data.nbytes)
    return gate.set


def test_what_the_disk_is_too_slow_for_is_counted_and_said_in_the_file(
    tmp_path: Path, slow_disk: Callable[[], None]
) -> None:
    """The watch never waits; the recording says what it lacks, and so does its analysis."""
    recorder = Recorder(tmp_path, 1 << 30, [ETH, TUN])
    recorder.start()
    for number in range(5):
        recorder.write(batch_at([number * SECOND] * 10, 1 + 10 * number), 0)
    assert recorder.missed == 30
    slow_disk()
    recorder.close()
    (path,) = tmp_path.iterdir()
    with open_capture(path) as source:
        assert sum(len(batch) for batch in source) == 20
        assert [interface.drops for interface in source.interfaces] == [15, 15]
    said = "15 packets were dropped while recording tun0"
    assert analyze(path).findings["message"].str.contains(said).any()


def test_what_the_thread_has_written_is_on_disk(tmp_path: Path) -> None:
    """Of a watch that is killed too: nothing waits for more packets, for time, or for the end."""
    recorder = Recorder(tmp_path, 1 << 30, [ETH, TUN])
    recorder.start()
    (path,) = tmp_path.iterdir()
    for number in range(1, 4):
        recorder.write(batch_at([number * SECOND], number), 0)
        with recorder._scribe._changed:
            assert recorder._scribe._changed.wait_for(lambda: not recorder._scribe._jobs, 60)
        with open_capture(path) as source:
            assert [int(batch.frame[-1]) for batch in source][-1] == number
    recorder.close()


def test_what_the_kernel_dropped_is_said_in_each_file(tmp_path: Path) -> None:
    """Each file counts what is missing in it."""
    recorder = Recorder(tmp_path, 8 * 4000, [ETH, TUN])
    recorder.start()
    for number, dropped in enumerate((0, 7, 7, 7, 9)):
        recorder.write(batch_at([number * SECOND] * 30, 1 + 30 * number), dropped)
    recorder.close()
    drops, packets = 0, 0
    for path in sorted(tmp_path.iterdir()):
        with open_capture(path) as source:
            packets += sum(len(batch) for batch in source)
            drops += sum(interface.drops or 0 for interface in source.interfaces)
    assert recorder.files > 2
    assert (packets, drops) == (150, 9)


def test_a_full_disk_ends_the_recording_and_not_the_watch(
    root_network: None, tmp_path: Path
) -> None:
    folder = tmp_path / "small"
    folder.mkdir()
    full = (
        f"mount -t tmpfs -o size=1m,mode=777 none {folder} && exec {sys.executable} "
        f"-m pcapleak live --iface lo --record {folder} --json -"
    )
    with hosts(1) as (host,):
        watching = Watching.__new__(Watching)
        watching.process = host.start("sh", "-c", full)
        watching.read_until("watching", 20)
        host.run(sys.executable, "-c", FLOOD)
        watching.read_until("--record stopped: No space left on device", 20)
        host.run(sys.executable, "-c", FLOOD)
        time.sleep(3)  # a watch that is asked to end takes no more of what waits
        report = json.loads(watching.stop(signal.SIGTERM)[0])
    assert "--record stopped: No space left on device" in report["captures"][0]["problems"]
    assert report["captures"][0]["last_time_ns"] - report["captures"][0]["first_time_ns"] > SECOND


def kept(path: Path) -> list[tuple[int, str]]:
    with open_capture(path) as source:
        return [
            (int(frame_ns) // SECOND, batch.comments.get(row, ""))
            for batch in source
            for row, frame_ns in enumerate(batch.ts_ns)
        ]


def evidence_of(path: Path, pre_s: int, post_s: int) -> EvidenceFile:
    return EvidenceFile(path.open("wb"), [ETH, TUN], pre_s * SECOND, post_s * SECOND)


def test_a_packet_waits_for_the_judgement_that_may_comment_it(tmp_path: Path) -> None:
    """Packet 12 lies in the window of 10 and is evidence itself, as is known a judgement later."""
    path = tmp_path / "evidence.pcapng"
    evidence = evidence_of(path, 2, 5)
    for second in range(1, 21):
        evidence.add(batch_at([second * SECOND], second))
        if second == 12:
            evidence.mark({10: "first"}, 11)
        elif second == 14:
            evidence.mark({10: "first", 12: "second"}, 14)
    evidence.mark({10: "first", 12: "second"}, 20)
    evidence.close()
    expected = {10: "first", 12: "second"}
    assert kept(path) == [(second, expected.get(second, "")) for second in range(8, 18)]
    assert not evidence.cut


def test_evidence_that_does_not_fit_is_written_early_or_said_to_be_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Within an open window nothing is lost; what came before a finding may be."""
    path = tmp_path / "evidence.pcapng"
    monkeypatch.setattr(evidence_module, "MAX_HELD", 3 * batch_at([0]).data.nbytes)
    evidence = evidence_of(path, 9, 9)
    for second in range(1, 31):
        evidence.add(batch_at([second * SECOND], second))
        if second == 10:
            evidence.mark({10: "first"}, 10)
    evidence.mark({10: "first"}, 30)
    evidence.close()
    assert kept(path) == [(s, "first" if s == 10 else "") for s in range(8, 20)]
    assert evidence.cut


def test_windows_of_long_ago_are_forgotten(tmp_path: Path) -> None:
    """A watch of days costs what its last seconds cost."""
    evidence = evidence_of(tmp_path / "evidence.pcapng", 1, 1)
    comments = {}
    for number in range(1, 400):
        evidence.add(batch_at([number * 20 * SECOND], number))
        comments[number] = "a leak"
        evidence.mark(comments, number)
        comments.pop(number - 5, None)
    assert len(evidence._windows) < 5
    assert len(evidence._marked) < 10
    evidence.close()
    assert len(kept(tmp_path / "evidence.pcapng")) == 399


def test_each_file_names_the_program_of_a_flow_once(tmp_path: Path) -> None:
    """So that what is left of a recording names it, whichever files went."""
    recorder = Recorder(tmp_path, 8 * 4000, [ETH, TUN])
    recorder.start()
    program = Program("curl", 12, "root")
    for number in range(3):
        batch = batch_at([(number * 50 + at) * SECOND for at in range(50)], number * 50 + 1)
        recorder.write(batch, 0, [(0, 7, program), (20, 7, program)])
    recorder.close()
    files = sorted(tmp_path.iterdir())
    told = []
    for path in files:
        with open_capture(path) as capture:
            told.append([text for batch in capture for text in batch.comments.values()])
    assert sum(len(analyze(path).document.captures) for path in files) == len(files) > 2
    assert all(texts in ([], ["process: curl (pid 12, user root)"]) for texts in told)
    assert sum(map(len, told)) >= 2


def test_a_packet_with_a_comment_among_many_is_written_as_it_is(tmp_path: Path) -> None:
    batch = batch_at([number * SECOND for number in range(9)])
    batch.comments = {0: "first", 4: "middle", 8: "last"}
    with PcapngWriter(tmp_path / "a.pcapng") as writer:
        writer.write_batch(batch, [ETH, TUN])
    with open_capture(tmp_path / "a.pcapng") as capture:
        (read,) = list(capture)
    assert read.comments == batch.comments
    assert read.ts_ns.tolist() == batch.ts_ns.tolist()
    assert read.original_length.tolist() == batch.original_length.tolist()

"""Whose sockets there are, asked of this machine's /proc, and of what it looks like elsewhere."""

from __future__ import annotations

import os
import socket
import sys
from ipaddress import ip_address
from pathlib import Path

import pytest

from pcapleak.live.owners import Owner, Owners, container_of
from pcapleak.live.processes import Processes
from pcapleak.values.packets import Endpoint

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /proc")
ID = "0123456789ab" + "c" * 52
UID = "3ad7a7c4-54a1-4c50-8b07-4a9a1b6b3f9a"
LOCAL = ip_address("127.0.0.1")


@pytest.mark.parametrize(
    ("cgroup", "container"),
    [
        (f"0::/system.slice/docker-{ID}.scope\n", ID[:12]),
        (f"12:pids:/docker/{ID}\n0::/docker/{ID}\n", ID[:12]),
        (f"0::/../{ID}\n", ID[:12]),
        (f"0::/user.slice/user-1000.slice/user.slice/libpod-{ID}.scope/container\n", ID[:12]),
        (
            "0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod"
            f"{UID.replace('-', '_')}.slice/cri-containerd-{ID}.scope\n",
            f"pod{UID}/{ID[:12]}",
        ),
        (f"4:cpu:/kubepods/besteffort/pod{UID}/{ID}\n", f"pod{UID}/{ID[:12]}"),
        ("0::/lxc.payload.web/system.slice/nginx.service\n", "web"),
        ("0::/machine.slice/machine-my\\x2dbox.scope/payload\n", "my-box"),
        ("0::/machine.slice/systemd-nspawn@box.service/payload\n", "box"),
        ("0::/\n", ""),
        ("0::/system.slice/docker.service\n", ""),
        ("0::/user.slice/user-1000.slice/session-2.scope\n", ""),
        (f"0::/system.slice/docker-{ID[:-1]}.scope\n", ""),
        (f"0::/system.slice/docker-{ID}0.scope\n", ""),
        ("0::/system.slice/podman.service\n", ""),
        ("", ""),
    ],
)
def test_a_control_group_tells_the_container_or_none(cgroup: str, container: str) -> None:
    assert container_of(cgroup) == container


class Nobody:
    """As an ordinary user sees other users' sockets."""

    def find(self, inodes: list[int]) -> dict[int, Owner]:
        return {}


def test_a_socket_is_its_programs_and_what_cannot_be_known_is_said_once() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        mine = (17, Endpoint(LOCAL, sock.getsockname()[1]), Endpoint(LOCAL, 9))
        processes = Processes(Owners(), hidden=False)
        ((program, _),) = processes.describe([mine], {LOCAL})
        assert program is not None
        assert program.pid == os.getpid() and program.name and program.parent
        assert processes.notes() == []
        hidden = Processes(Nobody(), hidden=False)
        rows = [row for row, _ in hidden.describe([mine, mine], {LOCAL})]
        assert all(row is not None and not row.name and row.user for row in rows)
        (note,) = hidden.notes()
        assert note.startswith("the program of 2 flows is not known: it was gone")
    ((closed, _),) = processes.describe([mine], {LOCAL})
    elsewhere = processes.describe([mine], set())
    assert closed is None and elsewhere == [(None, None)]
    assert processes.notes() == [
        "the program of 1 flow is not known: it had closed the socket when it was asked for"
    ]
    processes.skip(5)
    assert len(processes.notes()) == 2


def test_what_a_flow_within_a_host_was_sent_to_is_told_too() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as near:
        near.bind(("127.0.0.1", 0))
        processes = Processes(Owners(), hidden=False)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as far:
            far.bind(("", 0))
            ends = [Endpoint(LOCAL, one.getsockname()[1]) for one in (near, far)]
            ((program, listener),) = processes.describe([(17, *ends)], {LOCAL})
        assert program is not None and listener is not None
        assert program.pid == listener.pid == os.getpid()
        ((program, listener),) = processes.describe([(17, *ends)], {LOCAL})
        assert program is not None and listener is None
        other = Endpoint(ip_address("198.51.100.1"), ends[1].port)
        ((_, listener),) = processes.describe([(17, ends[0], other)], {LOCAL})
        assert listener is None


def test_names_of_programs_are_kept_printable() -> None:
    class Hostile:
        def find(self, inodes: list[int]) -> dict[int, Owner]:
            return dict.fromkeys(inodes, Owner(1, "\x1b[2J" + "x" * 500, "a\nb"))

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        mine = (17, Endpoint(LOCAL, sock.getsockname()[1]), Endpoint(LOCAL, 9))
        ((program, _),) = Processes(Hostile(), hidden=False).describe([mine], {LOCAL})
    assert program is not None and str(program).isprintable() and len(str(program)) < 400


def test_the_helper_is_a_program_of_its_own(tmp_path: Path) -> None:
    from pcapleak.live.owners import RootOwners

    helper = RootOwners()
    with socket.socket() as sock:
        inode = os.fstat(sock.fileno()).st_ino
        found = helper.find([inode])
    helper.close()
    assert found[inode].pid == os.getpid() and found[inode].parent

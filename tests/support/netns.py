"""Network namespaces for tests: hosts joined by veth pairs, gone again after the test."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

_numbers = itertools.count()


def run(*command: str) -> str:
    """Run a command that must succeed; its output."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"
    return done.stdout


@dataclass
class Host:
    """One namespace."""

    name: str
    processes: list[subprocess.Popen[str]] = field(default_factory=list)

    def run(self, *command: str) -> str:
        """Run a command inside; its output."""
        return run("ip", "netns", "exec", self.name, *command)

    def start(self, *command: str) -> subprocess.Popen[str]:
        """Start a command inside; it is ended with the namespace."""
        process = subprocess.Popen(
            ["ip", "netns", "exec", self.name, *command],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.processes.append(process)
        return process

    def python(self, *arguments: str) -> subprocess.Popen[str]:
        """Start this Python inside."""
        return self.start(sys.executable, *arguments)

    def stop(self) -> None:
        """End what was started here and remove the namespace."""
        for process in self.processes:
            process.terminate()
            try:
                process.communicate(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()
        subprocess.run(["ip", "netns", "del", self.name], check=False, capture_output=True)


@contextmanager
def hosts(count: int) -> Iterator[Sequence[Host]]:
    """So many namespaces, each with only its loopback device up."""
    made = [Host(f"pcapleak-{os.getpid()}-{next(_numbers)}") for _ in range(count)]
    try:
        for host in made:
            run("ip", "netns", "add", host.name)
            host.run("ip", "link", "set", "lo", "up")
            # No router solicitation or duplicate address detection beside the test's traffic.
            host.run("sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1")
        yield made
    finally:
        for host in made:
            host.stop()


def join(a: Host, a_name: str, a_address: str, b: Host, b_name: str, b_address: str) -> None:
    """A cable between two hosts, with an address (CIDR) at each end."""
    run("ip", "link", "add", a_name, "netns", a.name, "type", "veth", "peer", "name", b_name,
        "netns", b.name)  # fmt: skip
    for host, name, address in ((a, a_name, a_address), (b, b_name, b_address)):
        host.run("ip", "addr", "add", address, "dev", name)
        host.run("ip", "link", "set", name, "up")

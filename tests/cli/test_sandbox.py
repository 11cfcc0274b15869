"""The kernel holds an analysis to the files it was given."""

from __future__ import annotations

import ctypes
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from cli_runs import run
from places import ROOT

from pcapleak.cli import confinement as sandbox

PROXY = "socks5://198.51.100.30:1080"
CAPTURE = ROOT / "captures" / "socks.pcapng"


@pytest.fixture(scope="module")
def landlock() -> None:
    """A kernel that can confine."""
    if sys.platform != "linux" or ctypes.CDLL(None).syscall(444, None, 0, 1) < 1:
        pytest.skip("this kernel has no Landlock")


def confined(code: str, *arguments: Path) -> str:
    """What a process prints that may read the first path and write the second."""
    program = (
        "import sys; from pathlib import Path; from pcapleak.cli.confinement import confine\n"
        "paths = [Path(text) for text in sys.argv[1:]]\n"
        "assert confine(paths[:1], paths[1:2]) is None\n" + code
    )
    command = [sys.executable, "-c", program, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr.strip().rpartition("\n")[2]


def test_only_what_was_named_is_read_and_written(landlock: None, tmp_path: Path) -> None:
    named, out, other = (tmp_path / name for name in ("in", "out", "other"))
    for path in (named, out, other):
        path.write_text("text")
    files = (named, out, other)
    assert confined("print(paths[0].read_text())", *files) == "text\n"
    assert confined("paths[1].write_text('new'); print('done')", *files) == "done\n"
    assert out.read_text() == "new"
    for code in (
        "paths[2].read_text()",
        "paths[2].write_text('x')",
        "paths[0].write_text('x')",
        "(paths[2].parent / 'fresh').write_text('x')",
        "paths[2].unlink()",
        "list(Path.home().iterdir())",
    ):
        assert "Permission denied" in confined(code, *files), code
    assert other.read_text() == "text"


def test_children_are_confined_too(landlock: None, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_text("secret")
    code = "import subprocess; subprocess.run(['cat', paths[2]])"
    assert "secret" not in confined(code, tmp_path / "in", tmp_path / "out", other)


ATTACKS = {
    "a TCP socket": "socket.socket()",
    "a UDP socket": "socket.socket(socket.AF_INET, socket.SOCK_DGRAM)",
    "a raw socket": "socket.socket(socket.AF_INET, socket.SOCK_RAW, 17)",
    "a local socket": "socket.socket(socket.AF_UNIX)",
    "the passwords": "Path('/etc/shadow').read_text()",
    "another process's environment": "Path('/proc/1/environ').read_bytes()",
    "a signal": "os.kill(os.getppid(), 0)",
    "a program": "subprocess.run(['/bin/true'])",
    "tracing": "assert ctypes.CDLL(None).ptrace(16, os.getppid(), 0, 0) == 0, 'denied'",
    "memory of others": "assert ctypes.CDLL(None).process_vm_readv(os.getppid(), 0, 0, 0, 0, 0)"
    " == 0, 'denied'",
    "the home folder": "list(Path.home().iterdir())",
    "a new file": "Path('/tmp/pcapleak-attack').write_text('x')",
}
"""The table of docs/security.md."""
if Path("/dev/kmsg").exists():  # containers have none
    ATTACKS["the kernel's log"] = "Path('/dev/kmsg').open('rb').read(1)"


CONFINEMENTS = {
    "decode and redact": "",
    "batch": "spawn=True",
    "analyze": "('tshark',), spawn=True",
    "live": "watching=True",
}
"""How the commands confine themselves."""


@pytest.mark.parametrize("command", CONFINEMENTS)
def test_what_the_table_refuses_is_refused(command: str, landlock: None) -> None:
    """Each tried, in a process that was talked into it."""
    version = ctypes.CDLL(None).syscall(444, None, 0, 1)
    tried = dict(ATTACKS)
    if version < 6:
        del tried["a signal"]
    program = (
        "import ctypes, os, socket, subprocess, sys\nfrom pathlib import Path\n"
        "from pcapleak.cli.confinement import Confinement\n"
        f"assert Confinement([], [], {CONFINEMENTS[command]}).enter() is None\n"
        f"for name, attack in {tried!r}.items():\n"
        "    try: exec(attack)\n"
        "    except (OSError, AssertionError) as error:\n"
        "        if 'enied' in str(error) or 'not permitted' in str(error): continue\n"
        "        print(name, error)\n"
        "    else: print(name)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout == ""


@pytest.mark.parametrize("command", ["analyze", "analyze --redact", "decode", "redact", "batch"])
def test_each_command_that_reads_strangers_bytes_confines_itself(
    command: str, landlock: None, tmp_path: Path
) -> None:
    """Its main thread takes on no new privileges, and system calls are filtered."""
    arguments = {
        "analyze": [str(CAPTURE)],
        "analyze --redact": [str(CAPTURE), "--redact", "--redact-key", str(tmp_path / "key")],
        "decode": [str(CAPTURE)],
        "redact": [str(CAPTURE), str(tmp_path / "out.pcapng")],
        "batch": [str(CAPTURE), "--workers", "1"],
    }[command]
    code = (
        "import atexit, sys; from pathlib import Path\nfrom pcapleak.cli import main\n"
        "show = lambda: sys.stderr.write(Path('/proc/self/status').read_text())\n"
        "atexit.register(show); sys.argv[0] = 'pcapleak'; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, command.partition(" ")[0], *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "NoNewPrivs:\t1" in done.stderr
    assert "Seccomp:\t2" in done.stderr
    assert done.returncode in (0, 1, 3)


def test_a_watch_confines_itself_and_still_runs_its_command(landlock: None, tmp_path: Path) -> None:
    """Which is not confined, and runs as the watch does."""
    command = """sh -c 'echo "$0 $1"; grep Seccomp: /proc/self/status'"""
    watch = subprocess.Popen(
        [sys.executable, "-m", "pcapleak", "live", "--via", "-", "--plain", "--json",
         str(tmp_path / "report.json"), "--proxy", PROXY, "--exec", command],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert watch.stdin is not None
    assert watch.stderr is not None
    line = b""
    while b"watching" not in line:
        line = watch.stderr.readline()
        assert line
    capture = (ROOT / "captures" / "direct.pcapng").read_bytes()
    watch.stdin.write(capture[:28])
    watch.stdin.flush()
    time.sleep(1)
    status = Path(f"/proc/{watch.pid}/status").read_text()
    assert "Seccomp:\t2" in status
    assert "NoNewPrivs:\t1" in status
    watch.stdin.write(capture[28:])
    watch.stdin.close()
    told = watch.stderr.read().decode()
    watch.stderr.close()
    assert watch.stdout is not None
    watch.stdout.close()
    assert watch.wait(20) == 1
    assert {"PL101 critical", "Seccomp:\t0"} <= set(told.splitlines())
    report = tmp_path / "report.json"
    assert report.stat().st_mode & 0o777 == 0o600
    assert "PL101" in report.read_text()


def test_a_watch_may_ask_about_links_and_speak_to_nobody(landlock: None) -> None:
    program = (
        "import socket\nfrom pcapleak.cli.confinement import WATCHED, Confinement\n"
        "from pcapleak.live.devices import list_devices\nbefore = list_devices()\n"
        "assert Confinement(WATCHED, [], watching=True).enter() is None\n"
        "assert list_devices() == before\n"
        "for kind in range(46):\n"
        "    try: socket.socket(kind, socket.SOCK_DGRAM)\n"
        "    except OSError: continue\n"
        "    print(kind)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == [str(int(socket.AF_NETLINK))]


def test_no_connection_can_be_opened(landlock: None, tmp_path: Path) -> None:
    if ctypes.CDLL(None).syscall(444, None, 0, 1) < 4:
        pytest.skip("this kernel's Landlock does not know TCP yet (Linux 6.7)")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        code = f"import socket; socket.create_connection(('127.0.0.1', {port}))"
        assert "not permitted" in confined(code, tmp_path, tmp_path)


@pytest.mark.parametrize("options", [(), ("--json", "-")])
def test_nothing_of_ours_is_loaded_once_confined(options: tuple[str, ...]) -> None:
    """It would be compiled anew for every run where it is not compiled yet."""
    code = "import sys; sys.argv[0] = 'pcapleak'; from pcapleak.cli import analyze, main\n"
    code += "loaded = []; analyze.confine = lambda *_, **__: loaded.extend(sys.modules)\n"
    code += "try: main()\nexcept SystemExit: pass\n"
    code += "assert loaded; print(*set(sys.modules).difference(loaded), file=sys.stderr)"
    done = subprocess.run(
        [sys.executable, "-c", code, "analyze", CAPTURE, *options],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=True,
    )
    late = {name for name in done.stderr.split() if name.startswith("pcapleak")}
    assert not late


def test_every_output_is_written_from_inside(tmp_path: Path) -> None:
    folder = tmp_path / "here"
    folder.mkdir()
    shutil.copy(CAPTURE, folder / "a.pcapng")
    outputs = {
        "--json": "a.json", "--html": "a.html", "--csv": "csv", "--evidence": "e.pcapng",
        "--evidence-per-finding": "each", "--junit": "j.xml",
    }  # fmt: skip
    options = [part for name, file in outputs.items() for part in (name, str(tmp_path / file))]
    run("analyze", str(folder / "a.pcapng"), "--exit-zero", *options)
    for file in outputs.values():
        path = tmp_path / file
        assert any(path.iterdir()) if path.is_dir() else path.stat().st_size


def test_decryption_by_tshark_works_confined(tshark: str, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    capture = ROOT / "captures" / "signalling-tls.pcapng"
    run("analyze", str(capture), "--exit-zero", "--json", str(report))
    assert "PL304" in report.read_text()


def test_a_kernel_without_it_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "_CREATE_RULESET", 100_000)  # no such system call
    assert sandbox.confine([], []) == "this kernel has no Landlock, or it is switched off"
    monkeypatch.setattr(sandbox.sys, "platform", "darwin")
    assert sandbox.confine([], []) == "only Linux can confine a process this way"

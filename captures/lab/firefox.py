"""Firefox, driven by Marionette: a TCP port on the loopback of its namespace.

What is said there must not be recorded: `DRIVING_FILTER` keeps it out of a loopback's recording.
"""

from __future__ import annotations

import ctypes
import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .network import Host
from .processes import LabError, Process, wait_until

PROGRAM = "/usr/bin/firefox-esr"
_PORT = 2828
DRIVING_FILTER = f"not tcp port {_PORT}"

_CLONE_NEWNET = 0x40000000

# What a browser says to its vendor on its own is not the subject.
_QUIET: dict[str, bool | int | str] = {
    "app.normandy.enabled": False,
    "app.update.enabled": False,
    "browser.aboutwelcome.enabled": False,
    "browser.newtabpage.enabled": False,
    "browser.region.network.url": "",
    "browser.safebrowsing.provider.mozilla.updateURL": "",
    "browser.safebrowsing.provider.google4.updateURL": "",
    "browser.safebrowsing.update.enabled": False,
    "browser.search.update": False,
    "browser.startup.page": 0,
    "datareporting.healthreport.uploadEnabled": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "dom.push.connection.enabled": False,
    "extensions.getAddons.cache.enabled": False,
    "extensions.systemAddon.update.enabled": False,
    "extensions.update.enabled": False,
    "geo.enabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "network.trr.mode": 5,
    "services.settings.server": "data:,#remote-settings-dummy/v1",
    "toolkit.telemetry.enabled": False,
    "toolkit.telemetry.server": "",
    "marionette.port": _PORT,
}


class Firefox:
    """One browser with one page; the same face as `Chromium`."""

    name = "firefox"

    def __init__(
        self,
        host: Host,
        scratch: Path,
        preferences: dict[str, bool | int | str],
        key_log: Path | None,
    ) -> None:
        self.host = host
        profile = host.new_folder("firefox")
        self.downloads = host.new_folder("downloads")
        lines = (
            f"user_pref({json.dumps(name)}, {json.dumps(value)});\n"
            for name, value in {**_QUIET, **_saving(self.downloads), **preferences}.items()
        )
        (profile / "user.js").write_text("".join(lines))
        self._closed = False
        self._pending = b""
        self._number = 0
        environment = {
            "HOME": str(scratch),
            "TMPDIR": str(scratch),
            "LANG": "en_US.UTF-8",
            "MOZ_CRASHREPORTER_DISABLE": "1",
            # Without it a release build does not let a profile name its settings server.
            "MOZ_REMOTE_SETTINGS_DEVTOOLS": "1",
        }
        if key_log is not None:
            environment["SSLKEYLOGFILE"] = str(key_log)
        self._process: Process = host.start(
            PROGRAM, "--headless", "--no-remote", "--marionette", "--profile", str(profile),
            environment=environment,
        )  # fmt: skip
        try:
            wait_until(
                lambda: f"127.0.0.1:{_PORT}" in host.run("ss", "-Hltn"),
                "firefox to listen",
                30,
            )
            with _inside(host):
                self._socket = socket.create_connection(("127.0.0.1", _PORT), 30)
            self._receive()
            self._call("WebDriver:NewSession", acceptInsecureCerts=True)
        except BaseException:
            self._process.stop()
            raise

    def open(self, url: str) -> None:
        """Load a page and wait until it has loaded."""
        self._call("WebDriver:Navigate", url=url)

    def run(self, code: str) -> Any:
        """The value of a JavaScript expression in the page, awaited."""
        # The page's own scope holds its functions and lets; eval reaches both.
        script = (
            "const done = arguments[arguments.length - 1];"
            "Promise.resolve(window.eval(arguments[0]))"
            ".then(value => done({value}), error => done({error: String(error)}))"
        )
        reply = self._call(
            "WebDriver:ExecuteAsyncScript",
            script=script,
            args=[code],
            scriptTimeout=30000,
            sandbox=None,
        )["value"]
        if "error" in reply:
            raise LabError(f"{code[:80]}: {reply['error']}")
        return reply.get("value")

    def click(self, selector: str) -> None:
        """Click the first element that ``selector`` finds, as a mouse does."""
        self._call("WebDriver:ElementClick", id=self._find(selector))

    def shows(self, selector: str) -> bool:
        """Whether the first element that ``selector`` finds is to be seen."""
        reply = self._call("WebDriver:IsElementDisplayed", id=self._find(selector))
        return reply["value"] is True

    def loaded(self) -> list[str]:
        """What the page has loaded beside itself."""
        script = "return performance.getEntriesByType('resource').map(e => e.name)"
        names: list[str] = self._call("WebDriver:ExecuteScript", script=script, args=[])["value"]
        return names

    def _find(self, selector: str) -> str:
        found = self._call("WebDriver:FindElement", using="css selector", value=selector)
        number: str = next(iter(found["value"].values()))
        return number

    def leave(self) -> None:
        """Leave the page."""
        self.open("about:blank")
        time.sleep(0.5)

    def close(self) -> None:
        """Close the browser as its user would."""
        if self._closed:
            return
        self._closed = True
        try:
            self._call("Marionette:Quit", flags=["eForceQuit"])
            self._process.child.wait(5)
        except (LabError, OSError, TimeoutError):
            pass
        finally:
            self._socket.close()
            self._process.stop()

    def _call(self, method: str, **parameters: object) -> dict[str, Any]:
        self._number += 1
        message = json.dumps([0, self._number, method, parameters]).encode()
        self._socket.sendall(b"%d:%s" % (len(message), message))
        while True:
            kind, number, error, result = self._receive()
            if kind == 1 and number == self._number:
                break
        if error:
            raise LabError(f"{method}: {error}")
        value: dict[str, Any] = result
        return value

    def _receive(self) -> Any:
        while b":" not in self._pending:
            self._read()
        head, self._pending = self._pending.split(b":", 1)
        while len(self._pending) < int(head):
            self._read()
        body, self._pending = self._pending[: int(head)], self._pending[int(head) :]
        return json.loads(body)

    def _read(self) -> None:
        chunk = self._socket.recv(1 << 16)
        if not chunk:
            raise LabError(f"firefox ended: {self._process.output()[-2000:]}")
        self._pending += chunk


def _saving(folder: Path) -> dict[str, bool | int | str]:
    """Preferences that put downloads into a folder, and open nothing for them."""
    return {
        "browser.download.folderList": 2,
        "browser.download.dir": str(folder),
        "browser.download.alwaysOpenPanel": False,
    }


@contextmanager
def _inside(host: Host) -> Iterator[None]:
    """Make sockets of this thread in the namespace of ``host``."""
    library = ctypes.CDLL(None, use_errno=True)

    def enter(descriptor: int) -> None:
        if library.setns(descriptor, _CLONE_NEWNET):
            raise LabError(f"setns: {os.strerror(ctypes.get_errno())}")

    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    away = os.open(f"/run/netns/{host.namespace}", os.O_RDONLY)
    try:
        enter(away)
        yield
    finally:
        enter(home)
        os.close(home)
        os.close(away)

"""Chromium, driven over its DevTools pipe: no port, so no packet of the driving is recorded."""

from __future__ import annotations

import fcntl
import json
import os
import select
import time
from pathlib import Path
from typing import Any

from .network import Host
from .processes import LabError, Process

PROGRAM = "/usr/bin/chromium"

# What a browser says to its vendor on its own is not the subject, and makes captures large.
_QUIET = (
    "--headless=new",
    "--no-sandbox",
    "--no-first-run",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-domain-reliability",
    "--disable-extensions",
    "--disable-sync",
    "--no-pings",
    "--metrics-recording-only",
    "--password-store=basic",
    "--host-resolver-rules=MAP *.google.com ~NOTFOUND, MAP *.googleapis.com ~NOTFOUND",
)
_DISABLED = (
    "BackForwardCache", "OptimizationHints", "MediaRouter", "Translate",
    "InterestFeedContentSuggestions", "NetworkTimeServiceQuerying",
    "AutofillServerCommunication", "CertificateTransparencyComponentUpdater",
)  # fmt: skip
_DISABLE = "--disable-features="


class Chromium:
    """One browser with one page."""

    name = "chromium"

    def __init__(
        self, host: Host, scratch: Path, flags: tuple[str, ...], key_log: Path | None
    ) -> None:
        self.host = host
        profile = host.new_folder("chromium")
        self.downloads = host.new_folder("downloads")
        commands_out, self._commands = _high_pipe()
        self._replies, replies_in = _high_pipe()
        # Of several such flags Chromium heeds the last.
        disabled = [flag.removeprefix(_DISABLE) for flag in flags if flag.startswith(_DISABLE)]
        flags = tuple(flag for flag in flags if not flag.startswith(_DISABLE))
        environment = {
            "HOME": str(scratch),
            "TMPDIR": str(scratch),
            "XDG_CONFIG_HOME": str(profile),
            "LANG": "en_US.UTF-8",
        }
        if key_log is not None:
            environment["SSLKEYLOGFILE"] = str(key_log)
        self._process: Process = host.start(
            # Chromium reads its commands from descriptor 3 and answers on 4.
            "bash",
            "-c",
            f'exec "$@" 3<&{commands_out} 4>&{replies_in}',
            "chromium",
            PROGRAM,
            *_QUIET,
            f"--user-data-dir={profile}",
            "--remote-debugging-pipe",
            _DISABLE + ",".join((*_DISABLED, *disabled)),
            *flags,
            "about:blank",
            pass_fds=(commands_out, replies_in),
            environment=environment,
        )
        os.close(commands_out)
        os.close(replies_in)
        self._pending = b""
        self._closed = False
        self._number = 0
        self._session: str | None = None
        try:
            target = next(
                target["targetId"]
                for target in self._call("Target.getTargets")["targetInfos"]
                if target["type"] == "page"
            )
            attach = self._call("Target.attachToTarget", targetId=target, flatten=True)
            self._session = attach["sessionId"]
            self._call("Page.enable")
            self._call(
                "Page.setDownloadBehavior", behavior="allow", downloadPath=str(self.downloads)
            )
        except BaseException:
            self.close()
            raise

    def open(self, url: str) -> None:
        """Load a page and wait until it has loaded."""
        self._call("Page.navigate", url=url)
        self.run(
            "new Promise(done => document.readyState === 'complete' ? done(true)"
            " : addEventListener('load', () => done(true)))"
        )
        where = self.run("location.href")
        if not str(where).startswith(url.rstrip("/")):
            raise LabError(f"chromium is at {where}, not at {url}")

    def run(self, code: str, timeout_s: float = 30.0) -> Any:
        """The value of a JavaScript expression in the page, awaited."""
        reply = self._call(
            "Runtime.evaluate",
            timeout_s,
            expression=code,
            awaitPromise=True,
            returnByValue=True,
            userGesture=True,
        )
        if "exceptionDetails" in reply:
            raise LabError(f"{code[:80]}: {reply['exceptionDetails']}")
        return reply["result"].get("value")

    def click(self, selector: str) -> None:
        """Click the first element that ``selector`` finds, as a mouse does."""
        x, y = self.run(
            f"(() => {{ const one = document.querySelector({json.dumps(selector)});"
            " one.scrollIntoView({block: 'center'}); const box = one.getBoundingClientRect();"
            " return [box.x + box.width / 2, box.y + box.height / 2]; })()"
        )
        for kind in ("mousePressed", "mouseReleased"):
            self._call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def shows(self, selector: str) -> bool:
        """Whether the first element that ``selector`` finds is to be seen."""
        return bool(
            self.run(f"document.querySelector({json.dumps(selector)}).getClientRects().length > 0")
        )

    def loaded(self) -> list[str]:
        """What the page has loaded beside itself."""
        names: list[str] = self.run("performance.getEntriesByType('resource').map(e => e.name)")
        return names

    def leave(self) -> None:
        """Leave the page, and give the browser the time to take its names back."""
        self.open("about:blank")
        time.sleep(0.5)

    def close(self) -> None:
        """Close the browser as its user would."""
        if self._closed:
            return
        self._closed = True
        try:
            if self._process.child.poll() is None:
                self._session = None
                self._call("Browser.close", 5.0)
                self._process.child.wait(5.0)
        except (LabError, OSError, TimeoutError):
            pass
        finally:
            self._process.stop()
            os.close(self._commands)
            os.close(self._replies)

    def _call(self, method: str, timeout_s: float = 30.0, **parameters: object) -> dict[str, Any]:
        self._number += 1
        message: dict[str, object] = {
            "id": self._number,
            "method": method,
            "params": parameters,
        }
        if self._session is not None:
            message["sessionId"] = self._session
        os.write(self._commands, json.dumps(message).encode() + b"\0")
        deadline = time.monotonic() + timeout_s
        while True:
            reply = self._reply(deadline, method)
            if reply.get("id") != self._number:
                continue
            if "error" in reply:
                raise LabError(f"{method}: {reply['error']}")
            result: dict[str, Any] = reply["result"]
            return result

    def _reply(self, deadline: float, method: str) -> dict[str, Any]:
        while b"\0" not in self._pending:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self._replies], [], [], left)[0]:
                raise LabError(f"chromium did not answer {method}")
            chunk = os.read(self._replies, 1 << 16)
            if not chunk:
                raise LabError(f"chromium ended: {self._process.output()[-2000:]}")
            self._pending += chunk
        line, self._pending = self._pending.split(b"\0", 1)
        reply: dict[str, Any] = json.loads(line)
        return reply


def _high_pipe() -> tuple[int, int]:
    """A pipe whose ends cannot be the descriptors 3 and 4 that Chromium's shell gives away."""
    low = os.pipe()
    high = tuple(fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in low)
    for end in low:
        os.close(end)
    return high[0], high[1]

"""The lab's page in QtWebEngine: ``qtwebengine_client.py FOLDER URL CONFIGURATION``.

It loads the page, lets it gather by an RTCPeerConnection's configuration (JSON), and writes what
it read to ``FOLDER/reading``.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from PyQt6.QtCore import QTimer, QUrl
from PyQt6.QtWebEngineCore import QWebEnginePage, qWebEngineChromiumVersion, qWebEngineVersion
from PyQt6.QtWidgets import QApplication


def main(folder: Path, url: str, configuration: str) -> int:
    """Run until ended from outside."""
    application = QApplication(["lab"])
    page = QWebEnginePage()
    program = f"QtWebEngine {qWebEngineVersion()} (Chromium {qWebEngineChromiumVersion()})"

    def loaded(well: bool) -> None:
        if well:
            page.runJavaScript(f'void gather("a", {configuration})')
            ask()

    def ask() -> None:
        page.runJavaScript(
            "void read().then(all => window.said = JSON.stringify(all)), window.said", read
        )

    def read(said: str | None) -> None:
        reading = json.loads(said or "{}")
        if "a end" not in reading.get("events", ()):
            QTimer.singleShot(100, ask)
            return
        (folder / ".reading").write_text(json.dumps({**reading, "program": program}))
        (folder / ".reading").rename(folder / "reading")

    page.loadFinished.connect(loaded)
    page.load(QUrl(url))
    return application.exec()


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), *sys.argv[2:4]))

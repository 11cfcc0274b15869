"""The page of `pcapleak page` in QtWebEngine: ``qtwebengine_page.py FOLDER URL [SOCKS-HOST:PORT]``.

It opens the page, clicks Start, waits for the end, clicks Save, and writes ``FOLDER/loaded``: what
the page has loaded beside itself, as JSON. The browser saves its reading into the folder.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from PyQt6.QtCore import QPoint, Qt, QTimer, QUrl
from PyQt6.QtNetwork import QNetworkProxy
from PyQt6.QtTest import QTest
from PyQt6.QtWebEngineCore import QWebEngineDownloadRequest
from PyQt6.QtWebEngineWidgets import QWebEngineView
from PyQt6.QtWidgets import QApplication

_MIDDLE = """(() => {{ const one = document.querySelector("{}");
one.scrollIntoView({{block: "center"}}); const box = one.getBoundingClientRect();
return [box.x + box.width / 2, box.y + box.height / 2]; }})()"""


def main(folder: Path, url: str, proxy: str | None) -> int:
    """Run until ended from outside."""
    application = QApplication(["lab"])
    if proxy is not None:
        host, _, port = proxy.rpartition(":")
        kind = QNetworkProxy.ProxyType.Socks5Proxy
        QNetworkProxy.setApplicationProxy(QNetworkProxy(kind, host, int(port)))
    view = QWebEngineView()
    view.resize(1200, 900)
    view.show()

    def save(item: QWebEngineDownloadRequest) -> None:
        item.setDownloadDirectory(str(folder))
        item.accept()
        names = "JSON.stringify(performance.getEntriesByType('resource').map(e => e.name))"
        view.page().runJavaScript(names, (folder / "loaded").write_text)

    def click(selector: str, then: Callable[[], None]) -> None:
        def press(place: list[float]) -> None:
            where = QPoint(*map(int, place))
            QTest.mouseClick(view.focusProxy(), Qt.MouseButton.LeftButton, pos=where)
            then()

        view.page().runJavaScript(_MIDDLE.format(selector), press)

    def ask() -> None:
        shown = "document.querySelector('#reading').getClientRects().length > 0"
        view.page().runJavaScript(shown, told)

    def told(ended: bool) -> None:
        if ended:
            click("#save", lambda: None)
        else:
            QTimer.singleShot(200, ask)

    def loaded(well: bool) -> None:
        if well:
            # The window takes clicks once the page has been drawn.
            QTimer.singleShot(1000, lambda: click("#start", ask))

    view.page().profile().downloadRequested.connect(save)
    view.loadFinished.connect(loaded)
    view.load(QUrl(url))
    return application.exec()


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2], *sys.argv[3:] or [None]))

"""The lab's web server: the page on every address, and a WebSocket room for signalling.

``python -m captures.lab.web ACCESS_LOG [CERTIFICATE KEY]`` listens on port 80, and with a
certificate on 443. Each request becomes one JSON line in the access log: so the lab knows the
address a page's request came from without any answer that says it.
"""

from __future__ import annotations

import base64
import hashlib
import json
import socket
import ssl
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

PAGE = Path(__file__).with_name("page.html")
_ACCEPT_SALT = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455 section 1.3


class _Server(ThreadingHTTPServer):
    address_family = socket.AF_INET6
    daemon_threads = True

    def __init__(self, port: int, access_log: Path) -> None:
        super().__init__(("::", port), _Handler)
        self.access_log = access_log
        self.writing = threading.Lock()

    def handle_error(self, request: object, client_address: object) -> None:
        """A browser that goes away in mid-request is no news."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "lab"
    sys_version = ""
    server: _Server

    def do_GET(self) -> None:
        self._note()
        if self.headers.get("Upgrade", "").lower() == "websocket":
            self._websocket()
        elif self.path.split("?")[0] == "/":
            self._send(200, PAGE.read_bytes())
        else:
            self._send(404, b"")

    def _note(self) -> None:
        line = json.dumps(
            {
                "path": self.path,
                "client": self.client_address[0].removeprefix("::ffff:"),
                "accept_language": self.headers.get("Accept-Language"),
                "user_agent": self.headers.get("User-Agent"),
            }
        )
        with self.server.writing, self.server.access_log.open("a") as log:
            log.write(line + "\n")

    def _send(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _websocket(self) -> None:
        key = self.headers["Sec-WebSocket-Key"].encode()
        self.send_response(101)
        self.send_header("Upgrade", "websocket")
        self.send_header("Connection", "Upgrade")
        digest = hashlib.sha1(key + _ACCEPT_SALT).digest()
        self.send_header("Sec-WebSocket-Accept", base64.b64encode(digest).decode())
        self.end_headers()
        self.wfile.flush()
        self.close_connection = True
        while (text := self._frame()) is not None:
            # A peer that refuses everything is enough: what counts is what was said to it.
            self._write_frame(json.dumps({"received": len(text)}).encode())

    def _frame(self) -> bytes | None:
        """The next text message, ``None`` at the close (RFC 6455 section 5.2)."""
        head = self.rfile.read(2)
        if len(head) < 2 or head[0] & 0x0F == 8:
            return None
        length = head[1] & 0x7F
        if length == 126:
            length = int.from_bytes(self.rfile.read(2), "big")
        elif length == 127:
            length = int.from_bytes(self.rfile.read(8), "big")
        mask = self.rfile.read(4)
        return bytes(byte ^ mask[i % 4] for i, byte in enumerate(self.rfile.read(length)))

    def _write_frame(self, payload: bytes) -> None:
        self.wfile.write(bytes((0x81, len(payload))) + payload)
        self.wfile.flush()

    def log_message(self, format: str, *args: object) -> None:
        """The access log is enough."""


def main(access_log: str, certificate: str | None = None, key: str | None = None) -> None:
    """Serve until killed."""
    servers = [_Server(80, Path(access_log))]
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        secure = _Server(443, Path(access_log))
        secure.socket = context.wrap_socket(secure.socket, server_side=True)
        servers.append(secure)
    for server in servers:
        threading.Thread(target=server.serve_forever).start()
    print("ready", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])

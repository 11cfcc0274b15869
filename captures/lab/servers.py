"""The real servers of the lab: each function starts one and returns it when it answers."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from dataclasses import dataclass
from pathlib import Path

from .network import FRAME, PROXY, STUN, STUN6, VPN, WEB, Host, Network
from .processes import Process, wait_until

TURN_USER, TURN_PASSWORD, REALM = "lab", "lab-secret", "turn.example"
NAMES = {
    "stun.example": STUN,
    "stun2.example": FRAME,
    "turn.example": STUN,
    "www.example": WEB,
    "vpn.example": VPN,
}


@dataclass(frozen=True)
class Certificate:
    """A self-signed certificate and its key, as PEM files."""

    certificate: Path
    key: Path

    def fingerprint(self, host: Host) -> str:
        """The SHA-256 of the certificate, as hexadecimal pairs."""
        printed = host.run(
            "openssl", "x509", "-noout", "-fingerprint", "-sha256", "-in", str(self.certificate)
        )  # fmt: skip
        return printed.strip().partition("=")[2]

    def key_hash(self, host: Host) -> str:
        """The SHA-256 of the public key in base64, by which Chromium is told to trust it."""
        pem = host.run("openssl", "pkey", "-in", str(self.key), "-pubout")
        der = base64.b64decode("".join(pem.strip().splitlines()[1:-1]))
        return base64.b64encode(hashlib.sha256(der).digest()).decode()


def certificate(host: Host, scratch: Path) -> Certificate:
    """Make a certificate that fits every name and address of the lab."""
    made = Certificate(scratch / "cert.pem", scratch / "key.pem")
    addresses = [f"IP:{address}" for address in (STUN, WEB, FRAME, STUN6)]
    alternatives = ",".join([f"DNS:{name}" for name in NAMES] + addresses)
    host.run(
        "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
        "-nodes", "-days", "30", "-subj", "/CN=www.example", "-addext",
        f"subjectAltName={alternatives}",
        "-keyout", str(made.key), "-out", str(made.certificate),
    )  # fmt: skip
    return made


class Web:
    """The web server and its access log."""

    def __init__(self, net: Network, scratch: Path, tls: Certificate | None) -> None:
        self._log = scratch / "access.log"
        self._log.touch()
        files = [] if tls is None else [str(tls.certificate), str(tls.key)]
        self.process = net.internet.python("web", str(self._log), *files)
        self.process.wait_for("ready")

    def requests(self) -> list[dict[str, str]]:
        """Every request so far: path, client, accept_language, user_agent."""
        return [json.loads(line) for line in self._log.read_text().splitlines()]


def rest_credentials(user: str) -> tuple[str, str]:
    """A username and password that a service hands out for an hour, as coturn's REST API has it."""
    username = f"{int(time.time()) + 3600}:{user}"
    digest = hmac.digest(TURN_PASSWORD.encode(), username.encode(), "sha1")
    return username, base64.b64encode(digest).decode()


def coturn(net: Network, scratch: Path, tls: Certificate | None, *, rest: bool = False) -> Process:
    """STUN and TURN on port 3478 over UDP and TCP, with a certificate on 5349 over TLS; with
    ``rest`` for those who have `rest_credentials`."""
    users = [f"--user={TURN_USER}:{TURN_PASSWORD}"]
    if rest:
        users = ["--use-auth-secret", f"--static-auth-secret={TURN_PASSWORD}"]
    secure = ["--no-tls", "--no-dtls"]
    if tls is not None:
        secure = ["--no-dtls", f"--cert={tls.certificate}", f"--pkey={tls.key}"]
    process = net.internet.start(
        "turnserver", "-n", "--no-cli", "--log-file=stdout", "--simple-log",
        *(f"--listening-ip={address}" for address in (STUN, FRAME, STUN6)),
        f"--relay-ip={STUN}", "--lt-cred-mech", *users,
        f"--realm={REALM}", "--allow-loopback-peers", "--min-port=49152", "--max-port=65535",
        f"--pidfile={scratch / 'turnserver.pid'}", f"--userdb={scratch / 'turnserver.db'}",
        *secure,
    )  # fmt: skip
    _wait_for_port(net.internet, STUN, 3478)
    return process


def socks(net: Network) -> Process:
    """A SOCKS5 proxy on 198.51.100.30:1080; what it asks for comes from that address."""
    process = net.internet.start("microsocks", "-i", PROXY, "-p", "1080", "-b", PROXY)
    _wait_for_port(net.internet, PROXY, 1080)
    return process


def http_proxy(net: Network, scratch: Path) -> Process:
    """An HTTP proxy on 198.51.100.30:8080."""
    configuration = scratch / "tinyproxy.conf"
    configuration.write_text(
        f"Port 8080\nListen {PROXY}\nBind {PROXY}\nTimeout 60\nMaxClients 50\nLogLevel Warning\n"
        "DisableViaHeader Yes\nConnectPort 80\nConnectPort 443\nConnectPort 3478\n"
    )
    process = net.internet.start("tinyproxy", "-d", "-c", str(configuration))
    _wait_for_port(net.internet, PROXY, 8080)
    return process


def quic(net: Network, tls: Certificate, document_root: Path) -> Process:
    """An HTTP/3 server on 198.51.100.21, port 443 of UDP."""
    (document_root / "index.html").write_text("lab\n")
    process = net.internet.start(
        "gtlsserver", "--htdocs", str(document_root), FRAME, "443", str(tls.key),
        str(tls.certificate),
    )  # fmt: skip
    wait_until(lambda: f"{FRAME}:443" in net.internet.run("ss", "-Hlun"), "HTTP/3 to listen")
    return process


def dhcp(net: Network, scratch: Path, address: str, *options: str) -> Process:
    """The router's DHCP server, which gives the client ``address`` and these options."""
    process = net.router.start(
        "dnsmasq", "--keep-in-foreground", "--log-facility=-", "--conf-file=/dev/null", "--port=0",
        "--interface=lan0", f"--dhcp-range={address},{address},10m",
        "--dhcp-authoritative", "--no-ping", f"--dhcp-leasefile={scratch / 'leases'}",
        f"--pid-file={scratch / 'dhcp.pid'}",
        *(f"--dhcp-option={option}" for option in options),
    )  # fmt: skip
    process.wait_for("DHCP, IP range")
    return process


def resolver(host: Host, address: str, scratch: Path) -> Process:
    """A DNS server that knows the lab's names and denies all others."""
    process = host.start(
        "dnsmasq", "--keep-in-foreground", "--log-facility=-", "--no-hosts", "--no-resolv",
        "--conf-file=/dev/null", "--bind-interfaces", f"--listen-address={address}",
        "--local=/#/", "--local-ttl=60", f"--pid-file={scratch / f'dns-{host.name}.pid'}",
        *(f"--host-record={name},{target}" for name, target in NAMES.items()),
    )  # fmt: skip
    process.wait_for("started")
    return process


def _wait_for_port(host: Host, address: str, port: int) -> None:
    def listening() -> bool:
        return f"{address}:{port}" in host.run("ss", "-Hltn")

    wait_until(listening, f"{address}:{port} to listen")

"""What scenarios are judged by, and what most of them expect."""

from __future__ import annotations

from typing import Any

from .network import PUBLIC
from .session import SOCKS_PROXY

PROXY = {"proxy": SOCKS_PROXY}
WIREGUARD = {"tunnel": "wg0", "vpn_endpoint": "198.51.100.40:51820"}
CLEAN: dict[str, Any] = {"leak": False, "exposed_addresses": []}
LEAK: dict[str, Any] = {"leak": True, "exposed_addresses": [PUBLIC], "mode": 2}


def found(*findings: str) -> dict[str, list[str]]:
    """Findings that must be among the others."""
    return {"findings": list(findings)}

"""The lab: real browsers behind real proxies and tunnels, recorded together with the truth.

``python -m captures.lab NAME...`` builds a small internet out of network namespaces, drives a
browser through one scenario in it, records the interfaces of the browser's host and writes
``NAME.pcapng`` with ``NAME.json``, the answer key. Nothing leaves the namespaces. Needs root.
"""

from .session import record

__all__ = ["record"]

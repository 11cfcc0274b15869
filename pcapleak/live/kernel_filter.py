"""Filter expressions compiled by libpcap for a socket that hears devices of every kind."""

from __future__ import annotations

import ctypes
import socket
import struct

from pcapleak.errors import PcapleakError
from pcapleak.live.devices import ARPHRD_ETHER, ARPHRD_LOOPBACK

SO_ATTACH_FILTER = 26
DLT_EN10MB = 1
DLT_RAW = 12
MAX_INSTRUCTIONS = 4096
"""BPF_MAXINSNS of the kernel."""

# Classic BPF: load a word, jump if equal, jump always. Ancillary data begins at this offset.
LOAD, JUMP_EQUAL, JUMP = 0x20, 0x15, 0x05
HARDWARE_TYPE = 0xFFFFF000 + 28

Instruction = tuple[int, int, int, int]
"""code, jump if true, jump if false, operand"""


def attach_filter(listener: socket.socket, expression: str) -> None:
    """Let `listener` hear only what matches, on devices with a link layer and without.

    Raises `PcapleakError` where the expression is wrong or libpcap is missing.
    """
    with_link, without = _compile(expression, DLT_EN10MB), _compile(expression, DLT_RAW)
    program: list[Instruction] = [
        (LOAD, 0, 0, HARDWARE_TYPE),
        (JUMP_EQUAL, 1, 0, ARPHRD_ETHER),
        (JUMP_EQUAL, 0, 1, ARPHRD_LOOPBACK),
        (JUMP, 0, 0, len(without)),
        *without,
        *with_link,
    ]
    if len(program) > MAX_INSTRUCTIONS:
        raise PcapleakError(f"--filter {expression}: too long for the kernel; shorten it")
    code = b"".join(struct.pack("=HBBI", *instruction) for instruction in program)
    buffer = ctypes.create_string_buffer(code)
    head = struct.pack("@HP", len(program), ctypes.addressof(buffer))
    listener.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, head)


def _compile(expression: str, link_type: int) -> list[Instruction]:
    from scapy.arch.common import compile_filter
    from scapy.error import Scapy_Exception

    try:
        program = compile_filter(expression, linktype=link_type)
    except (ImportError, OSError) as error:
        raise PcapleakError(
            "--filter: libpcap is not installed; install it (libpcap0.8), or watch unfiltered"
        ) from error
    except Scapy_Exception as error:
        raise PcapleakError(f"--filter {expression}: {error}; see pcap-filter(7)") from error
    return [
        (each.code, each.jt, each.jf, each.k)
        for each in (program.bf_insns[i] for i in range(program.bf_len))
    ]

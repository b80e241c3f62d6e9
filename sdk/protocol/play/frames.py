"""Frames of WebSockets."""

import os
import struct
from dataclasses import dataclass

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


@dataclass(frozen=True)
class Close:
    """The end of a WebSocket; the code is 1006 for one without a close frame."""

    code: int
    reason: str


@dataclass(frozen=True)
class Frame:
    """One frame, as it was on the wire."""

    is_ours: bool
    opcode: int
    wire: bytes
    content: bytes


def of_client(opcode, content):
    """A client's frame: whole, and masked."""
    mask = os.urandom(4)
    masked = bytes(byte ^ mask[at % 4] for at, byte in enumerate(content))
    return Frame(True, opcode, _header(opcode, len(content)) + mask + masked, content)


def _header(opcode, length):
    if length < 126:
        return bytes([0x80 | opcode, 0x80 | length])
    if length < 1 << 16:
        return bytes([0x80 | opcode, 0x80 | 126]) + struct.pack(">H", length)
    return bytes([0x80 | opcode, 0x80 | 127]) + struct.pack(">Q", length)

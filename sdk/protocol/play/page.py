"""A played session as a page for people: every byte, and what it means."""

import textwrap

from .frames import CLOSE
from .http import Answer
from .story import Upgrade

INTRO = """\
# A session, byte by byte

A real session with the server and its stock scripts, as [`sdk/PROTOCOL.md`](../PROTOCOL.md) describes it. `>` is what the client
sends, `<` what the server sends. Of a frame the bytes are shown, and below them its text without the mask; of a long frame
the header alone. Made by `sdk/protocol/transcript`; a test compares it with a new session.
"""
# So many bytes of a frame are shown on a line, and so many at most.
ROW = 32
MOST = 96


def of(steps):
    """The page."""
    parts = [INTRO]
    for number, step in enumerate(steps, 1):
        blocks = "\n\n".join(_block(thing) for thing in step.shown)
        parts.append(f"## {number}. {step.title}\n\n{textwrap.fill(step.text, 125)}\n\n```\n{blocks}\n```\n")
    return "\n".join(parts)


def _block(thing):
    if isinstance(thing, (Answer, Upgrade)):
        return f"{_lines('>', thing.request)}\n\n{_lines('<', thing.response)}"
    return _frame(thing)


def _lines(sign, content):
    return "\n".join(f"{sign} {line}".rstrip() for line in content.decode().rstrip().split("\r\n"))


def _frame(frame):
    sign = ">" if frame.is_ours else "<"
    payload = len(frame.content)
    shown = frame.wire if len(frame.wire) <= MOST else frame.wire[: len(frame.wire) - payload]
    rows = [shown[at : at + ROW].hex(" ") for at in range(0, len(shown), ROW)]
    if len(shown) < len(frame.wire):
        rows[-1] += f" … and {payload} bytes"
    if frame.opcode == CLOSE:
        code, reason = int.from_bytes(frame.content[:2], "big"), frame.content[2:].decode()
        text = f"close {code} {reason}".rstrip()
    else:
        text = frame.content.decode()
    return "\n".join(f"{sign} {row}" for row in [*rows, text])

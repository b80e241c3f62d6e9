"""A WebSocket that keeps every byte: what was sent and what came."""

import base64
import json
import os
import socket
import struct
import time
import urllib.parse
from dataclasses import dataclass, field

from .frames import BINARY, CLOSE, PING, PONG, TEXT, Close, Frame, of_client
from .http import LIMIT_S, answer_of, compact

@dataclass
class Socket:
    """A WebSocket to a room.

    `query` is added to the address; `receive_buffer` says how many bytes the system takes unread. `status` is 101 if the server took the upgrade; `last` is the last message that came.
    """

    server: object
    token: str
    room: str
    query: dict = field(default_factory=dict)
    protocols: tuple = ("godra", "bearer.{token}")
    headers: tuple = ()
    receive_buffer: int = 0

    def __post_init__(self):
        self.frames = []
        self.last = None
        self._buffer = b""
        self._is_closing = False
        self._connection = self._connect()
        self.request = self._upgrade().encode()
        self._connection.sendall(self.request)
        while b"\r\n\r\n" not in self._buffer:
            self._read(time.monotonic() + LIMIT_S)
        head, self._buffer = self._buffer.split(b"\r\n\r\n", 1)
        self.response = head + b"\r\n\r\n"
        self.status = int(head.split(b" ")[1])
        if self.status != 101:
            self.answer = self._refusal()

    def _connect(self):
        connection = socket.socket()
        # Only before the connection is made has it an effect on what the peer may send.
        if self.receive_buffer:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self.receive_buffer)
        connection.settimeout(LIMIT_S)
        connection.connect(("127.0.0.1", self.server.port))
        return connection

    def _upgrade(self):
        query = urllib.parse.urlencode({"game_id": self.room, **self.query})
        lines = [
            f"GET /ws?{query} HTTP/1.1",
            f"Host: 127.0.0.1:{self.server.port}",
            "Connection: Upgrade",
            "Upgrade: websocket",
            "Sec-WebSocket-Version: 13",
            f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}",
        ]
        if self.protocols:
            lines.append(f"Sec-WebSocket-Protocol: {', '.join(self.protocols)}".format(token=self.token))
        lines += [line.format(token=self.token) for line in self.headers]
        return "\r\n".join(lines) + "\r\n\r\n"

    def _refusal(self):
        length = int(answer_of(b"", self.response).headers.get("content-length", 0))
        while len(self._buffer) < length:
            self._read(time.monotonic() + LIMIT_S)
        return answer_of(self.request, self.response + self._buffer)

    def send(self, message):
        """Sends a message: text as it is, bytes in a binary frame, anything else as JSON."""
        if isinstance(message, bytes):
            return self.send_frame(BINARY, message)
        return self.send_frame(TEXT, message.encode() if isinstance(message, str) else compact(message))

    def send_all(self, messages):
        """Sends several in one go."""
        self._connection.sendall(b"".join(self._frame_of(TEXT, compact(message)) for message in messages))

    def send_frame(self, opcode, content):
        self._connection.sendall(self._frame_of(opcode, content))

    def _frame_of(self, opcode, content):
        frame = of_client(opcode, content)
        self.frames.append(frame)
        return frame.wire

    def close(self, code=1000, reason=""):
        """Closes from this side, and gives back the server's half."""
        self._is_closing = True
        self.send_frame(CLOSE, struct.pack(">H", code) + reason.encode())
        return self.until(lambda message: isinstance(message, Close))

    def cut(self):
        """Ends the connection without a word."""
        self._connection.close()

    def receive(self, limit_s=LIMIT_S):
        """The next message, or a `Close`. Pings are answered on the way."""
        deadline = time.monotonic() + limit_s
        while True:
            try:
                frame = self._frame(deadline)
            except (ConnectionError, EOFError):
                return Close(1006, "")
            if frame.opcode == PING:
                self.send_frame(PONG, frame.content)
            elif frame.opcode == CLOSE:
                code = struct.unpack(">H", frame.content[:2])[0] if frame.content else 1005
                if not self._is_closing:
                    self.send_frame(CLOSE, frame.content[:2])
                self._connection.close()
                return Close(code, frame.content[2:].decode())
            elif frame.opcode in (TEXT, BINARY):
                self.last = json.loads(frame.content)
                return self.last

    def until(self, wanted, limit_s=LIMIT_S):
        """Receives until a message is wanted, and gives that back."""
        deadline = time.monotonic() + limit_s
        while True:
            message = self.receive(deadline - time.monotonic())
            if wanted(message):
                return message
            if isinstance(message, Close):
                raise AssertionError(f"the connection ended with {message}")

    def ask(self, action, payload=None, number=1, **more):
        """Sends an input with an `id`, and gives back its answer."""
        self.send({"action": action, "payload": payload, "id": number, **more})
        return self.until(lambda message: isinstance(message, Close) or message.get("id") == number)

    def _frame(self, deadline):
        first, second = self._take(2, deadline)
        length = second & 127
        header = bytes([first, second])
        if length >= 126:
            size = 2 if length == 126 else 8
            extended = self._take(size, deadline)
            header += extended
            length = int.from_bytes(extended, "big")
        content = self._take(length, deadline)
        frame = Frame(False, first & 15, header + content, content)
        self.frames.append(frame)
        return frame

    def _take(self, count, deadline):
        while len(self._buffer) < count:
            self._read(deadline)
        taken, self._buffer = self._buffer[:count], self._buffer[count:]
        return taken

    def _read(self, deadline):
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("nothing came in time")
        self._connection.settimeout(left)
        part = self._connection.recv(65536)
        if not part:
            raise EOFError("the connection was cut")
        self._buffer += part

"""Calls by HTTP that keep every byte."""

import json
import socket
from dataclasses import dataclass

LIMIT_S = 10


@dataclass
class Answer:
    """The answer to a call, and the bytes of both."""

    request: bytes
    response: bytes
    status: int
    headers: dict
    body: bytes

    @property
    def json(self):
        return json.loads(self.body)


def call(server, method, path, body=None, token=None, headers=()):
    """Makes one call on a connection of its own. `body` is JSON, or bytes as they are."""
    content = body if isinstance(body, bytes) else b"" if body is None else compact(body)
    lines = [f"{method} {path} HTTP/1.1", f"Host: 127.0.0.1:{server.port}", "Connection: close"]
    if token is not None:
        lines.append(f"Authorization: Bearer {token}")
    if content:
        lines += ["Content-Type: application/json", f"Content-Length: {len(content)}"]
    elif method == "POST":
        lines.append("Content-Length: 0")
    lines += [f"{name}: {value}" for name, value in headers]
    request = "\r\n".join(lines).encode() + b"\r\n\r\n" + content
    with socket.create_connection(("127.0.0.1", server.port), LIMIT_S) as connection:
        connection.sendall(request)
        response = b""
        while part := connection.recv(65536):
            response += part
    return answer_of(request, response)


def answer_of(request, response):
    """Takes an answer apart."""
    head, _, body = response.partition(b"\r\n\r\n")
    status_line, *lines = head.decode().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return Answer(request, response, int(status_line.split(" ")[1]), headers, body)


def compact(value):
    """JSON as it is sent."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()

"""What the tests share: guests, rooms, and scripts that do as they are told."""

import json
import time
import unittest
from socket import create_connection

from play.frames import TEXT, Close
from play.http import call
from play.peer import Socket
from play.server import GodraServer

# The payload, or the first argument, says what is done.
SCRIPTS = (
    ("fails", "-- ROLE: guest\n-- KEYS: game:{room}\n"
     "local args = cjson.decode(ARGV[2])\ngodra.error(args.code, 'as you wish', args.details)\n"),
    ("breaks", "-- ROLE: guest\n-- KEYS: game:{room}\nlocal nothing = nil\nreturn nothing.at_all\n"),
    ("publishes", "-- ROLE: guest\n-- KEYS: game:{room}\n"
     "local args = cjson.decode(ARGV[2])\n"
     "for number = 1, args.count do godra.publish(args.type, {number = number}) end\n"
     "godra.send(ARGV[1], 'personal', {})\n"
     "if args.fails then godra.error('refused', 'after all') end\n"
     "return args.count\n"),
    ("counts", "-- ROLE: guest\n-- KEYS: game:{room}, game:{room}:count\nreturn redis.call('INCR', KEYS[2])\n"),
    ("floods", "-- ROLE: guest\n-- KEYS: game:{room}\nlocal much = string.rep('x', 2000)\n"
     "for number = 1, 10 do godra.publish('flood', much) end\nreturn 'OK'\n"),
    ("boss", "-- ROLE: manager\n-- KEYS: game:{room}\nreturn 'OK'\n"),
)


class WithServer(unittest.TestCase):
    """Tests that share a server; each has rooms of its own."""

    @classmethod
    def setUpClass(cls):
        cls.server = GodraServer(scripts=SCRIPTS)
        cls.addClassCleanup(cls.server.__exit__)


def guest(server):
    """A guest's login."""
    return call(server, "POST", "/guest-login", {}).json


def rpc(server, token, script, *arguments, room=None):
    keys = None if room is None else [f"game:{room}"]
    return call(server, "POST", "/api/rpc", {"script": script, "args": arguments, "keys": keys}, token)


def lobby(server, token, room, capacity=8):
    """Makes a lobby, of which the token's user is a member then."""
    answer = rpc(server, token, "create_lobby", capacity, room=room)
    if answer.status != 200:
        raise AssertionError(f"no lobby: {answer.body}")


def player(server, room, capacity=8, **more):
    """A guest in a new lobby, with its socket and its welcome."""
    login = guest(server)
    lobby(server, login["token"], room, capacity)
    socket = Socket(server, login["token"], room, **more)
    return login, socket, socket.receive()["payload"]


def refused(server, token, room):
    """A WebSocket by which the server says why it lets nobody in. A full one does so only if it has time to read the request."""
    sockets = []

    def is_open():
        sockets.append(Socket(server, token, room, {"refuse": "close"}))
        return sockets[-1].status == 101

    eventually(is_open)
    return sockets[-1]


def is_close(message):
    return isinstance(message, Close)


def of_type(name):
    """Whether a message is of a type, or a batch with an event of that type."""
    return lambda message: not is_close(message) and any(
        part["type"] == name for part in (message, *message.get("events", ()))
    )


def parts(socket):
    """All that the server has said on a socket, the events of batches one by one."""
    messages = (json.loads(frame.content) for frame in socket.frames if not frame.is_ours and frame.opcode == TEXT)
    return [part for message in messages for part in message.get("events", [message])]


def resync(socket):
    """Asks for a snapshot until the server makes one, and gives the reply: it makes one a second."""
    answers = []

    def is_taken():
        answers.append(socket.ask("resync", None, 1000 + len(answers)))
        return answers[-1]["type"] == "reply"

    eventually(is_taken)
    return answers[-1]


def events(socket, until):
    """All events up to one of a type, those of batches one by one."""
    found = []
    while not found or found[-1]["type"] != until:
        message = socket.receive()
        found += message.get("events", [message])
    return found


def eventually(is_so, limit_s=5):
    """Waits until something is so."""
    deadline = time.monotonic() + limit_s
    while not is_so():
        if time.monotonic() > deadline:
            raise AssertionError("it never came to be so")
        time.sleep(0.02)


def fill(server):
    """Opens connections until the server takes no more, and gives them."""
    idle = []

    def is_full():
        if call(server, "GET", "/ready").status == 503:
            return True
        idle.append(create_connection(("127.0.0.1", server.port)))
        return False

    eventually(is_full)
    return idle

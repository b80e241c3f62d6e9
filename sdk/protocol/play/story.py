"""The session that sdk/protocol/TRANSCRIPT.md shows: each step with the bytes that went over the wire."""

from dataclasses import dataclass, field

from .frames import TEXT, Close
from .http import call
from .peer import Socket

# The token's time: long enough to play in, short enough to wait for its end.
FLAGS = ("--token-ttl", "3s")


@dataclass
class Step:
    """A step: what it is about, and what went over the wire: answers to calls, sockets' upgrades, and frames."""

    title: str
    text: str
    shown: list = field(default_factory=list)


@dataclass(frozen=True)
class Upgrade:
    """The request that opens a WebSocket, and its answer."""

    request: bytes
    response: bytes


def play(server):
    """Plays it, and gives its steps."""
    return _Story(server).steps


class _Story:
    def __init__(self, server):
        self.server = server
        self.steps = []
        self._log_in()
        self._create()
        self._join()
        self._measure()
        self._move()
        self._fail()
        self._watch_others()
        self._number()
        self._resync()
        self._lose_the_token()
        self._refresh()
        self._come_back()
        self._leave()

    def _step(self, title, text):
        self.steps.append(Step(title, text))

    def _show(self, *things):
        self.steps[-1].shown += things

    def _frames(self, begin):
        """Shows all frames of Ann's socket since `begin`, but for pings."""
        self._show(*(frame for frame in self.socket.frames[begin:] if frame.opcode in (TEXT, 8)))

    def _call(self, path, body, token=None):
        answer = call(self.server, "POST", path, body, token)
        self._show(answer)
        return answer.json

    def _asks(self, action, payload, number, *more_wanted, **more):
        """Sends an input; shows it, its answer and the further messages that are wanted, whichever comes first."""
        begin = len(self.socket.frames)
        self.socket.send({"action": action, "payload": payload, "id": number, **more})
        wanted = [lambda message: message.get("id") == number, *more_wanted]
        while wanted:
            message = self.socket.receive()
            if isinstance(message, Close):
                raise AssertionError(f"the connection ended with {message}")
            wanted = [wants for wants in wanted if not wants(message)]
        self._frames(begin)

    def _log_in(self):
        self._step("A guest logs in", "The game keeps both tokens.")
        self.login = self._call("/guest-login", {})

    def _create(self):
        self._step("It makes a lobby", "By an RPC, with the token in a header. `Godra-Script` tells that a script ran, and which.")
        self._call("/api/rpc", {"script": "create_lobby", "args": [4], "keys": ["game:meadow"]}, self.login["token"])

    def _open(self, **resume):
        query = {"refuse": "close", **resume}
        self.socket = Socket(self.server, self.login["token"], "meadow", query)
        welcome = self.socket.receive()
        self._show(Upgrade(self.socket.request, self.socket.response))
        self._frames(0)
        return welcome["payload"]

    def _join(self):
        self._step("It joins", "The token travels as a subprotocol. The first message is the `welcome`: the room at exactly `seq`.")
        self.welcome = self._open()

    def _measure(self):
        self._step("A heartbeat", "The frame in full: `81` is a whole text frame, `80` in the second byte says that it is masked.")
        self._asks("heartbeat", None, 1)

    def _move(self):
        self._step("It moves", "The reply and the event come on their own; the reply may overtake the event.")
        moved = lambda message: message["type"] == "player_moved"
        self._asks("move_player", {"x": 10, "y": 20.5}, 2, moved)

    def _fail(self):
        self._step("A script says no", "The error carries the same `id`, and what the script added as `details`.")
        self._asks("move_player", {"x": -1, "y": 0}, 3)

    def _watch_others(self):
        self._step("Somebody else plays", "Another guest joins, sends four inputs in one go, and leaves. Events that follow "
                   "another within `sync_interval_ms` are gathered, and come as a `batch`.")
        begin = len(self.socket.frames)
        self.other = call(self.server, "POST", "/guest-login", {}).json
        socket = Socket(self.server, self.other["token"], "meadow")
        socket.receive()
        self.socket.until(_has_event("player_joined"))
        socket.send_all({"action": "set", "payload": {"round": number}} for number in range(1, 5))
        self.socket.until(lambda message: message["type"] == "batch")
        socket.close(1000)
        self.socket.until(_has_event("player_left"))
        self._frames(begin)

    def _number(self):
        self._step("An input that runs once", "With an `n`, one above that of the welcome. Sent again, it gets its first answer, and "
                   "nothing happens: no second event comes.")
        state = lambda message: message["type"] == "state"
        self._asks("set", {"ready": True}, 4, state, n=self.welcome["n"] + 1)
        self._asks("set", {"ready": True}, 5, n=self.welcome["n"] + 1)

    def _resync(self):
        self._step("It asks for the state", "The `id` is answered at once, the `snapshot` follows.")
        snapshot = lambda message: message["type"] == "snapshot"
        self._asks("resync", None, 6, snapshot)
        self.snapshot = self.socket.last

    def _lose_the_token(self):
        self._step("The token's time is over", "The server closes, the client answers with the same code. `0f a1` is 4001. Then the "
                   "other guest joins once more, and says something.")
        begin = len(self.socket.frames)
        self.socket.until(lambda message: isinstance(message, Close))
        self._frames(begin)
        for script, *arguments in (("join_lobby",), ("send_chat", "Where are you?", "meadow")):
            keys = ["game:meadow"]
            call(self.server, "POST", "/api/rpc", {"script": script, "args": arguments, "keys": keys}, self.other["token"])

    def _refresh(self):
        self._step("It refreshes", "The new pair takes the place of the old one: the old refresh token is spent.")
        self.login = self._call("/refresh", {"refresh_token": self.login["refresh_token"]})

    def _come_back(self):
        self._step("It comes back", "With the new token and its position: the snapshot's `epoch` and `seq`. The welcome says "
                   "`\"recovered\":true` and has no state; what was missed follows.")
        self._open(epoch=self.snapshot["epoch"], since=self.snapshot["seq"])
        begin = len(self.socket.frames)
        self.socket.until(_has_event("player_back"))
        self._frames(begin)

    def _leave(self):
        self._step("It closes", "With 1000, which the server answers. The seat in the lobby is free at once.")
        begin = len(self.socket.frames)
        self.socket.close(1000)
        self._frames(begin)


def _has_event(name):
    def has(message):
        return any(event["type"] == name for event in message.get("events", [message]))

    return has

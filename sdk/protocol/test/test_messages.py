"""All that the server says in sessions of all kinds fits the schemas, and holds nothing that they do not know."""

import json
import unittest

from play import story
from play.frames import TEXT
from play.http import Answer, call
from play.server import GodraServer

from .helpers import SCRIPTS, fill, guest, is_close, lobby, of_type, player, refused, rpc
from .schemas import undocumented

BODIES = {
    ("POST", "/guest-login", 200): "login",
    ("POST", "/login", 200): "login",
    ("POST", "/refresh", 200): "login",
    ("POST", "/account/upgrade", 200): "login",
    ("POST", "/register", 201): "registered",
    ("GET", "/account", 200): "account",
    ("POST", "/api/rpc", 200): "rpc_result",
    ("GET", "/health", 200): "status_answer",
    ("GET", "/ready", 200): "status_answer",
}


class Messages(unittest.TestCase):
    def fits(self, name, value):
        self.assertEqual(undocumented(name, value), [], json.dumps(value)[:1000])

    def frames_fit(self, frames):
        """Checks all text of a socket, and gives the server's."""
        texts = [frame for frame in frames if frame.opcode == TEXT]
        for frame in texts:
            self.fits("to_server" if frame.is_ours else "from_server", json.loads(frame.content))
        return [json.loads(frame.content) for frame in texts if not frame.is_ours]

    def answer_fits(self, answer):
        method, path, _ = answer.request.split(b"\r\n")[0].decode().split(" ")
        if answer.status >= 400:
            self.fits("error_body", answer.json)
        elif answer.status == 204:
            self.assertEqual(answer.body, b"")
        else:
            self.fits(BODIES[method, path, answer.status], answer.json)

    def test_a_whole_session(self):
        with GodraServer(*story.FLAGS) as server:
            shown = [thing for step in story.play(server) for thing in step.shown]
        answers = [thing for thing in shown if isinstance(thing, Answer)]
        for answer in answers:
            self.answer_fits(answer)
        said = self.frames_fit([thing for thing in shown if hasattr(thing, "opcode")])
        self.assertEqual([welcome["payload"]["recovered"] for welcome in said if welcome["type"] == "welcome"], [False, True])
        types = {message["type"] for message in said}
        self.assertLessEqual({"welcome", "reply", "error", "batch", "snapshot", "player_moved"}, types)

    def test_every_way_of_answering_an_input(self):
        with GodraServer(scripts=SCRIPTS) as server:
            _, socket, _ = player(server, "a", query={"versions": "1"})
            asked = [("heartbeat", None, {}), ("counts", 1, {"n": 1}), ("counts", 1, {"n": 1}), ("breaks", None, {"n": 2})]
            asked += [("fails", {"code": "mine", "details": {"any": [1]}}, {"n": 3}), ("fails", {"code": "busy"}, {"n": 4})]
            asked += [("counts", 1, {"n": 5}), ("boss", None, {}), ("on_connect", None, {}), ("resync", None, {})]
            asked += [("resync", None, {}), ("publishes", {"count": 3, "type": "many"}, {})]
            answers = [socket.ask(action, payload, number, **more) for number, (action, payload, more) in enumerate(asked)]
            for malformed in ("{", "[]", b"\xff", '{"action":"a b","id":7}'):
                socket.send(malformed)
                answers.append(socket.until(of_type("error")))
            said = self.frames_fit([frame for frame in socket.frames if not frame.is_ours])
        codes = [answer["payload"]["code"] for answer in answers if answer["type"] == "error"]
        self.assertEqual(codes, ["script_error", "mine", "busy", "out_of_order", "forbidden", "forbidden", "rate_limited"]
                         + ["bad_request"] * 4)
        self.fits("heartbeat_result", answers[0]["result"])
        self.assertTrue(any("script" in message for message in said))

    def test_refusals(self):
        with GodraServer("--max-connections", "4") as server:
            token = guest(server)["token"]
            lobby(server, token, "a", capacity=1)
            others = guest(server)["token"]
            refusals = [self.refusal(server, others, "a"), self.refusal(server, others, "nowhere"), self.refusal(server, "x.y.z", "a")]
            idle = fill(server)
            refusals.append(self.refusal(server, others, "a"))
            self.assertTrue(idle)
        payloads = [message["payload"] for message in refusals]
        self.assertEqual([payload["status"] for payload in payloads], [403, 403, 401, 503])
        self.assertEqual([payload["code"] for payload in payloads], ["conflict", "not_found", "unauthorized", "unavailable"])
        self.assertEqual(payloads[3]["retry_after"], 5)

    def refusal(self, server, token, room):
        socket = refused(server, token, room)
        message = socket.receive()
        self.fits("refusal", message)
        self.assertTrue(is_close(socket.receive()))
        return message

    def test_calls(self):
        with GodraServer(scripts=SCRIPTS) as server:
            who = {"username": "Änne", "password": "correct horse"}
            answers = [call(server, "POST", path, who) for path in ("/register", "/register", "/login")]
            login = answers[-1].json
            token = login["token"]
            answers += [call(server, "POST", "/login", who | {"password": "wrong horse"})]
            answers += [call(server, "GET", path, None, token) for path in ("/account", "/health", "/ready", "/nothing")]
            answers += [call(server, "GET", "/account", None, wrong) for wrong in (None, "x.y.z")]
            answers += [rpc(server, token, *what) for what in (("list_lobbies",), ("boss",), ("no_such_script",))]
            answers += [rpc(server, token, "breaks", room="a")]
            server.user("ban", "Änne", "--reason", "cheating")
            banned = call(server, "POST", "/login", who)
            answers.append(banned)
        for answer in answers:
            self.answer_fits(answer)
        statuses = [answer.status for answer in answers]
        self.assertEqual(statuses, [201, 409, 200, 401, 200, 200, 200, 404, 401, 401, 200, 403, 404, 500, 403])
        self.fits("ban_details", banned.json["error"]["details"])

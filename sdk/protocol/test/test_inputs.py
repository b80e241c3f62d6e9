"""The server takes the messages that the schema calls valid, and refuses those that it calls invalid."""

import json
import unittest

from play.server import GodraServer

from .helpers import of_type, parts, player
from .schemas import FIXTURES


class Inputs(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.fixture = json.loads((FIXTURES / "to-server.json").read_text())
        # One of the examples is an action that no stock script takes.
        buy = "-- ROLE: guest\n-- KEYS: game:{room}\nreturn cjson.decode(ARGV[2])\n"
        cls.server = GodraServer(scripts=[("buy", buy)])
        cls.addClassCleanup(cls.server.__exit__)

    def test_valid_ones_are_taken(self):
        _, socket, _ = player(self.server, "valid", query={"versions": "1"})
        for number, value in enumerate(self.fixture["valid"]):
            socket.send(value)
            # A room answers in the order of its inputs, so what is said of the other one has come when this one is answered.
            socket.ask("set", {"number": number}, 1000 + number)
        # Scripts may refuse what they do not want; those errors name them.
        self.assertFalse([part for part in parts(socket) if part["type"] == "error" and "script" not in part])
        answered = {part["id"] for part in parts(socket) if part["type"] in ("reply", "error")}
        self.assertLessEqual({value["id"] for value in self.fixture["valid"] if value.get("id") is not None}, answered)

    def test_invalid_ones_are_refused_and_do_nothing(self):
        _, socket, welcome = player(self.server, "invalid")
        for case in self.fixture["invalid"]:
            socket.send(json.dumps(case["value"]))
            error = socket.until(of_type("error"))
            self.assertEqual(error["payload"]["code"], "bad_request", case)
        self.assertEqual(socket.ask("heartbeat")["result"]["seq"], welcome["seq"])

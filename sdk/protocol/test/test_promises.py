"""What the page promises of the server about connections, messages, events and inputs, by the promises' ids."""

import json
import time
import unittest

from play.peer import Close, Socket, call
from play.server import GodraServer

from .helpers import SCRIPTS, events, guest, is_close, of_type, parts, player, resync, rpc


class Promises(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = GodraServer(scripts=SCRIPTS)
        cls.addClassCleanup(cls.server.__exit__)

    def test_subprotocol_and_token(self):
        """S-CONNECT-1"""
        login, first, _ = player(self.server, "connect-1")
        self.assertIn(b"\r\nSec-WebSocket-Protocol: godra\r\n", first.response)
        ways = [
            {"protocols": ("bearer.{token}", "godra")},
            {"protocols": ("godra.2", "godra", "bearer.{token}")},
            {"protocols": (), "query": {"token": login["token"]}},
            {"protocols": (), "headers": ("Authorization: Bearer {token}",)},
        ]
        for way in ways:
            socket = Socket(self.server, login["token"], "connect-1", **way)
            self.assertEqual(socket.receive()["type"], "welcome", way)
            chosen = socket.response.count(b"Sec-WebSocket-Protocol: godra\r\n")
            self.assertEqual(chosen, 1 if way["protocols"] else 0)

    def test_a_refusal_says_the_same_in_both_ways(self):
        """S-CONNECT-2"""
        token = guest(self.server)["token"]
        for room, bearer in (("connect-2", token), ("no id", token), ("connect-2", "x.y.z")):
            by_http = Socket(self.server, bearer, room).answer
            socket = Socket(self.server, bearer, room, {"refuse": "close"})
            payload = socket.receive()["payload"]
            self.assertEqual(payload, by_http.json["error"] | {"status": by_http.status})
            self.assertEqual(socket.receive(), Close(4505, payload["code"]))

    def test_a_second_connection_ends_the_first(self):
        """S-CONNECT-3"""
        login, first, _ = player(self.server, "connect-3")
        second = Socket(self.server, login["token"], "connect-3")
        self.assertEqual(first.until(is_close).code, 4502)
        self.assertEqual(second.receive()["type"], "welcome")

    def test_one_welcome_and_one_answer(self):
        """S-MESSAGE-1, S-MESSAGE-2"""
        _, socket, welcome = player(self.server, "message-1")
        self.assertEqual(welcome["game_id"], "message-1")
        actions = ("counts", "fails", "breaks", "heartbeat", "resync", "no_script_of_this_name")
        for number, action in enumerate(actions):
            socket.send({"action": action, "payload": {"code": "no"}, "id": number})
            socket.send({"action": action, "payload": {"code": "no"}})
        # A room answers in the order of its inputs, so nothing can come after this one's reply.
        socket.ask("counts", None, 100)
        said = [json.loads(frame.content) for frame in socket.frames if not frame.is_ours]
        answers = [message for message in said if message["type"] in ("reply", "error")]
        self.assertEqual(sorted(message["id"] for message in answers if "id" in message), [*range(len(actions)), 100])
        self.assertTrue(all(message["type"] == "error" for message in answers if "id" not in message))
        self.assertEqual(sum(message["type"] == "welcome" for message in said), 1)

    def test_whole_numbers_and_binary_frames(self):
        """S-MESSAGE-3"""
        _, socket, _ = player(self.server, "message-3")
        for text, number in (("7", 7), ("7.0", 7), ("7e0", 7), ("1e1", 10), ("0", 0), ("18446744073709551615", 2**64 - 1)):
            socket.send(f'{{"action":"heartbeat","id":{text}}}'.encode())
            self.assertEqual(socket.receive()["id"], number)
        socket.send('{"action":"counts","id":1,"n":1.0}')
        self.assertEqual(socket.until(lambda message: message.get("id") == 1)["result"], 1)
        self.assertEqual(socket.ask("counts", None, 2, n=1)["result"], 1)

    def test_malformed_messages_do_nothing(self):
        """S-MESSAGE-4"""
        _, socket, welcome = player(self.server, "message-4")
        deep = '{"action":"set","payload":' + "[" * 32 + "]" * 32 + "}"
        for text in ("", "{", "null", "[]", '{"action":"set","action":"set"}', deep):
            socket.send(text)
            self.assertEqual(socket.receive()["payload"]["code"], "bad_request", text)
        self.assertEqual(socket.ask("heartbeat")["result"]["seq"], welcome["seq"])

    def test_heartbeat_and_resync(self):
        """S-MESSAGE-5, S-CLOCK-1"""
        _, socket, welcome = player(self.server, "message-5")
        self.assertLess(abs(welcome["now"] - time.time() * 1000), 5000)
        before = time.time() * 1000
        result = socket.ask("heartbeat")["result"]
        self.assertTrue(before - 1 <= result["now"] <= time.time() * 1000 + 1)
        self.assertEqual(result["seq"], welcome["seq"])
        self.assertIsNone(resync(socket)["result"])
        self.assertEqual(socket.until(of_type("snapshot"))["payload"], welcome["state"])

    def test_events_rise_and_states_are_exact(self):
        """S-ORDER-1, S-ORDER-2"""
        _, socket, _ = player(self.server, "order-1")
        socket.send_all({"action": "set", "payload": {"round": number}} for number in range(100))
        resync(socket)
        socket.until(of_type("snapshot"))
        socket.send_all({"action": "set", "payload": {"late": number}} for number in range(100))
        socket.ask("publishes", {"count": 1, "type": "end"}, 1)
        if b'"personal"' not in b"".join(frame.content for frame in socket.frames):
            socket.until(of_type("personal"))
        seen = parts(socket)
        numbers = [part["seq"] for part in seen if "seq" in part and part["type"] != "snapshot"]
        self.assertEqual(numbers, sorted(set(numbers)))
        at = next(at for at, part in enumerate(seen) if part["type"] == "snapshot")
        applied = dict(seen[at]["payload"]["state"])
        for part in seen[at + 1 :]:
            if part["type"] == "state" and part["seq"] > seen[at]["seq"]:
                applied |= part["payload"]["payload"]
        self.assertEqual(applied, {"round": 99, "late": 99})
        before = [part["seq"] for part in seen[:at] if "seq" in part]
        self.assertLessEqual(max(before, default=0), seen[at]["seq"])

    def test_a_call_that_fails_publishes_nothing(self):
        """S-ORDER-3"""
        _, socket, welcome = player(self.server, "order-3")
        error = socket.ask("publishes", {"count": 3, "type": "many", "fails": True})
        self.assertEqual(error["payload"]["code"], "refused")
        self.assertEqual(socket.ask("heartbeat", None, 2)["result"]["seq"], welcome["seq"])
        self.assertEqual(socket.ask("publishes", {"count": 1, "type": "many"}, 3)["result"], 1)
        self.assertEqual([event["type"] for event in events(socket, "personal")], ["many", "personal"])

    def test_numbered_inputs(self):
        """S-ONCE-1, S-ONCE-2, S-ONCE-3, S-ONCE-4"""
        login, socket, welcome = player(self.server, "once")
        self.assertEqual(welcome["n"], 0)
        self.assertEqual([socket.ask("counts", None, at, n=1)["result"] for at in range(3)], [1, 1, 1])
        self.assertEqual(socket.ask("fails", {"code": "busy"}, 3, n=2)["payload"]["code"], "busy")
        refused = socket.ask("counts", None, 4, n=3)
        self.assertEqual((refused["payload"]["code"], refused["n"]), ("out_of_order", 3))
        self.assertEqual([socket.ask("counts", None, at, n=at - 3)["result"] for at in range(5, 25)], list(range(2, 22)))
        # First answers are kept for 16.
        self.assertEqual(socket.ask("counts", None, 30, n=1)["result"], {"duplicate": True})
        other = Socket(self.server, login["token"], "once")
        self.assertEqual(other.receive()["payload"]["n"], 21)
        self.assertEqual(other.ask("counts", None, 1, n=21)["result"], 21)
        self.assertEqual(other.ask("counts", None, 2, n=100)["result"], 22)

    def test_resume(self):
        """S-RESUME-1"""
        login, socket, _ = player(self.server, "resume")
        other = guest(self.server)
        watcher = Socket(self.server, other["token"], "resume")
        watcher.receive()
        socket.until(of_type("player_joined"))
        position = socket.ask("heartbeat")["result"]["seq"]
        epoch = Socket(self.server, other["token"], "resume").receive()["payload"]["epoch"]
        self.assertEqual(socket.close(4000).code, 4000)
        rpc(self.server, other["token"], "publishes", {"count": 5, "type": "missed"}, room="resume")
        back = Socket(self.server, login["token"], "resume", {"epoch": epoch, "since": position})
        welcome = back.receive()["payload"]
        self.assertEqual((welcome["recovered"], welcome["state"], welcome["seq"]), (True, None, position))
        missed = events(back, "player_back")
        self.assertEqual(sum(event["type"] == "missed" for event in missed), 5)
        # One was for the other one alone.
        self.assertFalse([event for event in missed if event["type"] == "personal"])
        numbers = [event["seq"] for event in missed]
        self.assertEqual(numbers, sorted(set(numbers)))
        self.assertGreater(numbers[0], position)
        for wrong in ({"epoch": "0", "since": position}, {"epoch": epoch, "since": 10**6}):
            welcome = Socket(self.server, login["token"], "resume", wrong).receive()["payload"]
            self.assertFalse(welcome["recovered"])
            self.assertIn(login["user_id"], welcome["state"]["players"])

    def test_closes_and_limits(self):
        """S-CLOSE-1, S-LIMIT-1"""
        login, socket, _ = player(self.server, "close")
        codes = []
        for code in (1000, 1011, 3000, 4000, 4499, 4999):
            codes.append(socket.close(code).code)
            socket = Socket(self.server, login["token"], "close")
            self.assertEqual(socket.receive()["type"], "welcome")
        self.assertEqual(codes, [1000, 1011, 3000, 4000, 4499, 4999])
        socket.send({"action": "set", "payload": "x" * 65536})
        self.assertEqual(socket.until(is_close).code, 1009)
        socket = Socket(self.server, login["token"], "close")
        socket.send_frame(1, b"\xff")
        self.assertEqual(socket.until(is_close).code, 1007)
        socket = Socket(self.server, login["token"], "close")
        for _ in range(101):
            socket.send("{")
        self.assertEqual(socket.until(is_close).code, 4504)
        self.assertEqual(call(self.server, "POST", "/login", b"x" * 300_000).status, 413)

"""What the page promises of the server about connections and messages, by the promises' ids."""

import json
import time

from play.frames import Close
from play.http import call
from play.peer import Socket

from .helpers import WithServer, guest, is_close, of_type, player


class Connections(WithServer):
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

    def test_compression_is_agreed_to_without_context(self):
        """S-CONNECT-4"""
        login, _, _ = player(self.server, "connect-4")
        without_context = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
        offers = {
            "permessage-deflate; client_max_window_bits": without_context,
            "permessage-deflate; server_max_window_bits=10": without_context + "; server_max_window_bits=10",
            "x-other, permessage-deflate; server_max_window_bits=99, permessage-deflate": without_context,
            "permessage-deflate; unknown": None,
            "x-other": None,
            "; = ,": None,
        }
        for offer, answer in offers.items():
            header = f"Sec-WebSocket-Extensions: {offer}"
            socket = Socket(self.server, login["token"], "connect-4", headers=(header,))
            self.assertEqual(socket.receive()["type"], "welcome", offer)
            lines = [line for line in socket.response.split(b"\r\n") if line.lower().startswith(b"sec-websocket-extensions")]
            self.assertEqual(lines, [] if answer is None else [f"Sec-WebSocket-Extensions: {answer}".encode()], offer)

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

    def test_actions_that_nobody_takes(self):
        """S-MESSAGE-6"""
        _, socket, welcome = player(self.server, "message-6")
        for action in ("cuonts", "jump", "Counts-9"):
            answer = socket.ask(action, {"x": 1})
            self.assertEqual((answer["type"], answer["payload"]["code"]), ("error", "not_found"), answer)
        self.assertEqual(socket.ask("heartbeat")["result"]["seq"], welcome["seq"])

    def test_heartbeat_and_resync(self):
        """S-MESSAGE-5, S-CLOCK-1"""
        _, socket, welcome = player(self.server, "message-5")
        self.assertLess(abs(welcome["now"] - time.time() * 1000), 5000)
        before = time.time() * 1000
        result = socket.ask("heartbeat")["result"]
        self.assertTrue(before - 1 <= result["now"] <= time.time() * 1000 + 1)
        self.assertEqual(result["seq"], welcome["seq"])
        self.assertIsNone(socket.ask("resync", None, 2)["result"])
        self.assertEqual(socket.until(of_type("snapshot"))["payload"], welcome["state"])

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

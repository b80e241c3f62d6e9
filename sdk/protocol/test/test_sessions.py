"""What the page promises of the server about logins, closes and calls, by the promises' ids."""

import re
import time

from play.frames import Close
from play.http import call
from play.peer import Socket
from play.server import GodraServer

from .helpers import WithServer, eventually, fill, guest, is_close, player, refused, rpc

REASON = re.compile(r"(token_expired|session_ended): .+")


class Sessions(WithServer):
    def ends_with(self, socket, word):
        end = socket.until(is_close)
        self.assertEqual(end.code, 4001)
        self.assertEqual(REASON.fullmatch(end.reason)[1], word)

    def test_a_session_that_ends_closes_its_sockets(self):
        """S-CLOSE-2"""
        who = {"username": "Bea", "password": "correct horse"}
        ways = [("POST /logout", {}), ("POST /account/upgrade", who), ("DELETE /account", {})]
        for at, (route, body) in enumerate(ways):
            login, socket, _ = player(self.server, f"end-{at}")
            begun = time.monotonic()
            self.assertIn(call(self.server, *route.split(), body, login["token"]).status, (200, 204))
            self.ends_with(socket, "session_ended")
            self.assertLess(time.monotonic() - begun, 2)
            self.assertEqual(call(self.server, "GET", "/account", None, login["token"]).json["error"]["code"], "session_ended")
        first, second = (call(self.server, "POST", "/login", who).json for _ in range(2))
        socket = Socket(self.server, first["token"], "end-1")
        change = {"old": "correct horse", "new": "battery staple"}
        self.assertEqual(call(self.server, "POST", "/account/password", change, second["token"]).status, 204)
        self.ends_with(socket, "session_ended")
        self.assertEqual(call(self.server, "GET", "/account", None, second["token"]).status, 200)

    def test_a_token_that_ends_closes_its_socket(self):
        """S-CLOSE-2"""
        with GodraServer("--token-ttl", "1s") as server:
            login, socket, _ = player(server, "a")
            self.ends_with(socket, "token_expired")
            # Calls take it for a while longer.
            self.assertEqual(call(server, "GET", "/account", None, login["token"]).json["expires_in"], 0)

    def test_refresh_tokens(self):
        """S-TOKEN-1"""
        login = guest(self.server)
        first, second, third = (self.refresh(login).json for _ in range(3))
        self.assertEqual(first["refresh_token"], second["refresh_token"])
        self.assertEqual(first["refresh_token"], third["refresh_token"])
        self.assertNotEqual(first["token"], second["token"])
        later = self.refresh(first).json
        self.assertNotEqual(later["refresh_token"], first["refresh_token"])
        # One that is spent twice over is no lost answer: somebody has copied it.
        reused = self.refresh(login)
        self.assertEqual((reused.status, reused.json["error"]["code"]), (401, "session_ended"))
        self.assertEqual(self.refresh(later).status, 401)
        eventually(lambda: call(self.server, "GET", "/account", None, later["token"]).status == 401)

    def refresh(self, login):
        return call(self.server, "POST", "/refresh", {"refresh_token": login["refresh_token"]})

    def test_what_scripts_cannot_say(self):
        """S-TOKEN-2, S-HTTP-2, S-HTTP-3"""
        login, _, _ = player(self.server, "http")
        token = login["token"]
        for code in ("unauthorized", "token_expired", "session_ended", "busy", "rate_limited", "unavailable", "mine"):
            answer = rpc(self.server, token, "fails", {"code": code}, room="http")
            self.assertEqual(answer.json["error"]["code"], code)
            self.assertNotEqual(answer.status, 401)
            self.assertNotIn("retry-after", answer.headers)
            self.assertRegex(answer.headers["godra-script"], r"^fails@[0-9a-f]+$")
        self.assertIn("godra-script", rpc(self.server, token, "counts", room="http").headers)
        for script in ("boss", "on_connect", "no_such_script"):
            self.assertNotIn("godra-script", rpc(self.server, token, script, room="http").headers)
        for wrong in (None, "x.y.z"):
            answer = call(self.server, "GET", "/account", None, wrong)
            self.assertEqual((answer.status, answer.headers["www-authenticate"]), (401, "Bearer"))

    def test_errors_have_one_shape(self):
        """S-HTTP-1"""
        requests = [("GET", "/nothing", None), ("GET", "/login", None), ("POST", "/login", b"{"), ("POST", "/login", b"x" * 300_000)]
        requests += [("GET", "/account", None), ("GET", "/ws?game_id=a", None), ("BREW", "/ready", None)]
        for method, path, body in requests:
            answer = call(self.server, method, path, body)
            self.assertGreaterEqual(answer.status, 400)
            self.assertEqual(set(answer.json["error"]), {"code", "message"}, (method, path))

    def test_a_server_that_is_full_or_stops(self):
        """S-HTTP-3, S-CLOSE-1"""
        with GodraServer("--max-connections", "4") as server:
            login, socket, _ = player(server, "a")
            idle = fill(server)
            full = rpc(server, login["token"], "list_lobbies")
            self.assertEqual((full.status, full.headers["retry-after"]), (503, "5"))
            self.assertEqual(call(server, "GET", "/health").status, 200)
            turned_away = refused(server, login["token"], "a")
            self.assertEqual(turned_away.receive()["payload"]["retry_after"], 5)
            self.assertEqual(turned_away.receive(), Close(4005, "unavailable"))
            for connection in idle:
                connection.close()
            server.terminate()
            self.assertEqual(socket.until(is_close).code, 1001)
            with self.assertRaises(OSError):
                call(server, "GET", "/ready")

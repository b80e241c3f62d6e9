"""What the page promises of the server about rooms, their events and inputs, by the promises' ids."""

from play.peer import Socket

from .helpers import WithServer, events, guest, of_type, parts, player, resync, rpc


class Rooms(WithServer):
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

    def test_a_slow_reader_gets_a_snapshot(self):
        """S-ORDER-1"""
        login, socket, _ = player(self.server, "slow", receive_buffer=8192)
        # So small that what one interval gathers stays far below what closes a connection.
        for _ in range(800):
            self.assertEqual(rpc(self.server, login["token"], "floods", room="slow").status, 200)
        last = 0
        while last < 8000:
            message = socket.receive()
            self.assertIsInstance(message, dict, message)
            for part in message.get("events", [message]):
                self.assertGreater(part["seq"], last, part["type"])
                last = part["seq"]
        snapshots = [part for part in parts(socket) if part["type"] == "snapshot"]
        floods = [part for part in parts(socket) if part["type"] == "flood"]
        self.assertTrue(snapshots)
        self.assertLess(len(floods), 8000)
        # What came before the snapshot came without a gap, as it was all for this one.
        before = [part["seq"] for part in floods if part["seq"] < snapshots[0]["seq"]]
        self.assertEqual(before, list(range(before[0], before[0] + len(before))))

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

    def test_seats_are_kept_for_who_comes_back(self):
        """S-CLOSE-3"""
        _, watcher, _ = player(self.server, "seats", capacity=16)
        for code in (1011, 4000, 4001, 4499, None, 1000, 1001, 1012, 3000, 4500, 4999):
            socket = Socket(self.server, guest(self.server)["token"], "seats")
            socket.receive()
            watcher.until(of_type("player_joined"))
            socket.cut() if code is None else socket.close(code)
            is_kept = code in (None, 1011) or 4000 <= code <= 4499
            wanted, other = ("player_away", "player_left") if is_kept else ("player_left", "player_away")
            begin = len(watcher.frames)
            watcher.until(of_type(wanted))
            self.assertNotIn(other.encode(), b"".join(frame.content for frame in watcher.frames[begin:]), code)

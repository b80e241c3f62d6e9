"""Each promise of the page has a test."""

import re
import unittest

from . import test_connections, test_rooms, test_sessions
from .schemas import SDK


class Completeness(unittest.TestCase):
    def test_each_promise_is_tested(self):
        page = (SDK / "PROTOCOL.md").read_text()
        promised = set(re.findall(r"(?m)^- \*\*(S-[A-Z]+-\d+)\*\*", page))
        cases = (test_connections.Connections, test_rooms.Rooms, test_sessions.Sessions)
        tests = [test for case in cases for name, test in vars(case).items() if name.startswith("test_")]
        tested = {promise for test in tests for promise in re.findall(r"S-[A-Z]+-\d+", test.__doc__)}
        self.assertEqual(promised, tested)

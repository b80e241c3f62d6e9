"""The transcript is what a session looks like."""

import subprocess
import sys
import unittest

from .schemas import SDK


class Transcript(unittest.TestCase):
    def test_a_new_session_looks_like_the_one_on_the_page(self):
        command = [sys.executable, "-B", SDK / "protocol" / "transcript", "--check"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

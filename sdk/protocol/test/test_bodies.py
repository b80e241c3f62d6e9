"""The server takes the bodies that the schemas call valid, and refuses those that they call invalid."""

import json
import unittest

from play.http import call
from play.server import GodraServer

from .helpers import guest
from .schemas import FIXTURES

PATHS = {
    "credentials": ("/register", "/login"),
    "refresh-request": ("/refresh",),
    "password-request": ("/account/password",),
    "upgrade-request": ("/account/upgrade",),
    "external-login-request": ("/external-login",),
    "device-login-request": ("/device-login",),
    "link-request": ("/account/identities",),
    "rpc-request": ("/api/rpc",),
}


class Bodies(unittest.TestCase):
    def test_the_server_judges_as_the_schemas_do(self):
        with GodraServer() as server:
            for name, paths in PATHS.items():
                fixture = json.loads((FIXTURES / f"{name}.json").read_text())
                for path in paths:
                    for value in fixture["valid"]:
                        self.assertFalse(self.is_malformed(server, path, value), (path, value))
                    for case in fixture["invalid"]:
                        self.assertTrue(self.is_malformed(server, path, case["value"]), (path, case))

    def is_malformed(self, server, path, value):
        """Whether it is refused for its shape; not whether a script, or the accounts, want it."""
        answer = call(server, "POST", path, json.dumps(value).encode(), guest(server)["token"])
        return answer.status == 400 and answer.json["error"]["code"] == "bad_request" and "godra-script" not in answer.headers

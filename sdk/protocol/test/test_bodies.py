"""The server takes the bodies that the schemas call valid, and refuses those that they call invalid."""

import json
import unittest

from play.http import call
from play.server import GodraServer

from .helpers import guest
from .schemas import FIXTURES

ROUTES = {
    "credentials": ("POST /register", "POST /login"),
    "rename-request": ("PATCH /account",),
    "refresh-request": ("POST /refresh",),
    "password-request": ("POST /account/password",),
    "reset-request": ("POST /account/reset",),
    "delete-request": ("DELETE /account",),
    "upgrade-request": ("POST /account/upgrade",),
    "external-login-request": ("POST /external-login",),
    "device-login-request": ("POST /device-login",),
    "link-request": ("POST /account/identities",),
    "rpc-request": ("POST /api/rpc",),
}


class Bodies(unittest.TestCase):
    def test_the_server_judges_as_the_schemas_do(self):
        with GodraServer() as server:
            for name, routes in ROUTES.items():
                fixture = json.loads((FIXTURES / f"{name}.json").read_text())
                for route in routes:
                    for value in fixture["valid"]:
                        self.assertFalse(self.is_malformed(server, route, value), (route, value))
                    for case in fixture["invalid"]:
                        self.assertTrue(self.is_malformed(server, route, case["value"]), (route, case))

    def is_malformed(self, server, route, value):
        """Whether it is refused for its shape; not whether a script, or the accounts, want it."""
        answer = call(server, *route.split(), json.dumps(value).encode(), guest(server)["token"])
        return answer.status == 400 and answer.json["error"]["code"] == "bad_request" and "godra-script" not in answer.headers

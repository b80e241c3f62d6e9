"""The schemas are good ones, and the fixtures are what they say."""

import json
import unittest

from jsonschema import Draft202012Validator

from .schemas import FIXTURES, PROTOCOL, errors, undocumented


class Fixtures(unittest.TestCase):
    def test_the_schemas_are_schemas(self):
        Draft202012Validator.check_schema(PROTOCOL)

    def test_valid_ones_are_valid_and_invalid_ones_are_not(self):
        count = 0
        for path in sorted(FIXTURES.glob("*.json")):
            fixture = json.loads(path.read_text())
            if "schema" not in fixture:
                continue
            name = fixture["schema"].rsplit("/", 1)[1]
            for value in fixture["valid"]:
                self.assertEqual(errors(name, value), [], f"{path.name}: {value}")
            for case in fixture["invalid"]:
                self.assertTrue(errors(name, case["value"]), f"{path.name}: {case}")
                count += 1
        self.assertGreater(count, 100)

    def test_a_message_is_of_one_type(self):
        for name in ("welcome", "batch", "reply", "error", "snapshot", "event"):
            for value in PROTOCOL["$defs"][name]["examples"]:
                self.assertEqual(errors("from_server", value), [], value)

    def test_texts_are_what_they_say(self):
        for case in json.loads((FIXTURES / "incoming.json").read_text())["texts"]:
            try:
                value = json.loads(case["text"])
            except ValueError:
                self.assertEqual(case["is"], "bad_message", case)
                continue
            if case["is"] == "event":
                self.assertEqual(errors("event", value), [], case)
                self.assertEqual(value["payload"], case.get("payload", value["payload"]))
            elif case["is"] == "bad_message":
                self.assertNotEqual(errors("from_server", value), [], case)

    def test_what_the_schemas_do_not_know_is_noticed(self):
        for value in ({"type": "reply", "id": 1, "result": {"any": 1}}, PROTOCOL["$defs"]["refusal"]["examples"][2]):
            self.assertEqual(undocumented("from_server", value), [])
            self.assertEqual(errors("from_server", value | {"later": 1}), [])
            self.assertNotEqual(undocumented("from_server", value | {"later": 1}), [])
        self.assertEqual(errors("from_server", {"type": "chat", "payload": {"any": 1}, "seq": 1}), [])

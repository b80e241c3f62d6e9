"""The schemas of sdk/protocol.json."""

import copy
import json
from pathlib import Path

from jsonschema import Draft202012Validator

SDK = Path(__file__).resolve().parents[2]
PROTOCOL = json.loads((SDK / "protocol.json").read_text())
FIXTURES = SDK / "protocol" / "fixtures"


def errors(name, value):
    """What a schema says against a value, as texts."""
    return _errors(PROTOCOL, name, value)


def undocumented(name, value):
    """As `errors`, and against each member that the schema does not know: clients ignore those, but the server sends none."""
    return _errors(_CLOSED, name, value)


def _errors(document, name, value):
    schema = {"$ref": f"#/$defs/{name}", "$defs": document["$defs"]}
    found = Draft202012Validator(schema).iter_errors(value)
    return [f"{'/'.join(map(str, error.absolute_path))}: {error.message[:300]}" for error in found]


def _closed(schema):
    if isinstance(schema, list):
        return [_closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {key: value if key == "examples" else _closed(value) for key, value in schema.items()}
    # A schema that refers to another one adds to its members.
    if isinstance(schema.get("properties"), dict) and schema.get("type") == "object":
        closed["unevaluatedProperties"] = False
    return closed


_CLOSED = {"$defs": _closed(copy.deepcopy(PROTOCOL["$defs"]))}

"""Fixtures that tests in any language read: messages and bodies, valid and not; what follows from a close code; delays.

Of each example in a schema, invalid ones are made by leaving out what is required, and by giving members a wrong type.
"""

import copy

from . import incoming

# A value that is none of the schema's type.
WRONG = {"string": 7, "integer": "7", "boolean": "true", "object": ["an array"], "array": {"an": "object"}}


def all_of(protocol):
    """The fixtures' contents, by file name."""
    definitions = protocol["$defs"]
    with_examples = {name: schema for name, schema in definitions.items() if "examples" in schema}
    files = {f"{name.replace('_', '-')}.json": _of_schema(name, definitions) for name in with_examples}
    files["close-codes.json"] = _close_codes(protocol)
    files["incoming.json"] = incoming.texts()
    files["delays.json"] = _delays(protocol["client_defaults"])
    return files


def _of_schema(name, definitions):
    examples = definitions[name]["examples"]
    invalid = {"no object": None, "an array": []}
    for example in examples:
        for what, value in _breaks(definitions[name], example, definitions, ""):
            invalid.setdefault(what, value)
    return {
        "schema": f"sdk/protocol.json#/$defs/{name}",
        "valid": examples,
        "invalid": [{"because": what, "value": value} for what, value in invalid.items()],
    }


def _breaks(schema, example, definitions, path):
    """Pairs of what is wrong, and the example with that."""
    for part in _parts(schema, definitions):
        for key in part.get("required", []):
            if key in example:
                yield f"without {path}{key}", {name: value for name, value in example.items() if name != key}
        for key, member in part.get("properties", {}).items():
            if key not in example or member is True:
                continue
            for what, value in _wrong_values(member, example[key], definitions, f"{path}{key}"):
                yield what, copy.deepcopy(example) | {key: value}


def _wrong_values(schema, value, definitions, path):
    parts = list(_parts(schema, definitions))
    for part in parts:
        if part.get("type") in WRONG:
            yield f"{path} of a wrong type", WRONG[part["type"]]
        if part.get("type") == "integer":
            yield f"{path} with a fraction", 0.5
        if "minimum" in part:
            yield f"{path} below {part['minimum']}", part["minimum"] - 1
        if "maximum" in part:
            yield f"{path} above {part['maximum']}", part["maximum"] + 1
        if "pattern" in part and {"const": ""} not in schema.get("anyOf", []):
            yield f"{path} is empty", ""
        if "enum" in part or "const" in part:
            yield f"{path} is another one", "none of these"
    if isinstance(value, dict):
        for part in parts:
            yield from _breaks(part, value, definitions, f"{path}.")


def _parts(schema, definitions):
    """A schema, and those that it refers to; of alternatives the first."""
    if schema is True:
        return
    yield schema
    if "$ref" in schema:
        yield from _parts(definitions[schema["$ref"].rsplit("/", 1)[1]], definitions)
    if "anyOf" in schema:
        yield from _parts(schema["anyOf"][0], definitions)


def _close_codes(protocol):
    named = {line["code"]: line["class"] for line in protocol["close_codes"]}
    edges = [edge for span in protocol["close_ranges"] for edge in (span["from"], span["to"])]
    codes = sorted({*named, *edges, *(edge + 1 for edge in edges), 1004, 1015, 2999, 3000, 3999, 4321, 4999})
    return {
        "rules": ["R-CLOSE-1", "R-CLOSE-2"],
        "codes": [{"code": code, "class": named.get(code) or _class_of(code, protocol)} for code in codes],
    }


def _class_of(code, protocol):
    spans = (span["class"] for span in protocol["close_ranges"] if span["from"] <= code <= span["to"])
    return next(spans, protocol["close_otherwise"])


def _delays(defaults):
    """The bounds of a delay for attempts (counted from 0) at a server that is away, by how long the outage has lasted."""
    first = defaults["first_delay_ms"]
    cases = []
    for gone_ms in (0, 59_999, 60_000, 299_999, 300_000):
        longest = next(step["delay_ms"] for step in defaults["longest_delays"] if gone_ms < step.get("until_ms", gone_ms + 1))
        for k in (0, 1, 2, 3, 5, 10, 100):
            most = min(longest, first * 2 ** min(k, 30))
            cases.append({"k": k, "gone_ms": gone_ms, "least_ms": most // 2, "most_ms": most})
    return {"rules": ["R-BACK-1"], "cases": cases}

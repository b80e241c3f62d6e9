"""Texts that a client may get after its welcome, and what it makes of each: fixtures/incoming.json.

`is`: `event` (handed over, with this `payload` if it is named), `bad_message` (reported, and the connection goes on), `either` (one of
both, but no crash), or `nothing`.
"""


def texts():
    """The fixture's content."""
    return {"rules": sorted({case["rule"] for case in _CASES}), "texts": _CASES}


def _event(name, rule, payload_text, **more):
    return _case(name, rule, f'{{"type":"t","payload":{payload_text},"seq":1}}', "event", **more)


def _case(name, rule, text, what, **more):
    return {"name": name, "rule": rule, "is": what, "text": text, **more}


def _nested(levels):
    return "[" * levels + "]" * levels


_CASES = [
    _event("a payload of null", "R-MESSAGE-2", "null", payload=None),
    _case("fields that nobody knows", "R-MESSAGE-1", '{"later":[1],"type":"t","payload":{"a":1},"seq":1}', "event", payload={"a": 1}),
    _case("the order of members", "R-MESSAGE-9", '{"seq":1,"payload":{"b":2,"a":1},"type":"t"}', "event", payload={"a": 1, "b": 2}),
    _case("white space", "R-MESSAGE-2", ' \r\n\t{ "type" : "t" , "payload" : [ ] , "seq" : 1 } ', "event", payload=[]),
    _case("no seq", "R-ORDER-5", '{"type":"t","payload":1}', "event", payload=1),
    _case("a seq with a fraction of zero", "R-MESSAGE-6", '{"type":"t","payload":1,"seq":1.0}', "event", payload=1),
    _case("a reply that nobody waits for", "R-REQUEST-4", '{"type":"reply","id":12345,"result":1}', "nothing"),
    _case("an empty batch", "R-MESSAGE-3", '{"type":"batch","events":[]}', "nothing"),
    _event("the largest exact integer", "R-MESSAGE-6", "9007199254740992", payload=9007199254740992),
    _event("an integer of more bits", "R-MESSAGE-6", "18446744073709551615"),
    _event("a number beyond doubles", "R-MESSAGE-6", "123456789012345678901234567890"),
    _case("a number beyond all", "R-MESSAGE-6", '{"type":"t","payload":1e400,"seq":1}', "either"),
    _event("Unicode beyond 16 bits, controls and line separators", "R-MESSAGE-8", '"\U0001f409\\u0000\u2028e\u0301"',
           payload="\U0001f409\x00\u2028e\u0301"),
    _event("a pair of surrogates", "R-MESSAGE-8", '"\\ud83d\\udc09"', payload="\U0001f409"),
    _case("a lone surrogate", "R-MESSAGE-8", '{"type":"t","payload":"\\ud800","seq":1}', "either"),
    _event("names that mean something elsewhere", "R-MESSAGE-9", '{"__proto__":{"a":1},"constructor":2}'),
    _event("a name twice", "R-MESSAGE-9", '{"a":1,"a":2}'),
    _event("many levels", "R-MESSAGE-7", _nested(60)),
    _case("too many levels", "R-MESSAGE-7", f'{{"type":"t","payload":{_nested(600)},"seq":1}}', "either"),
    _case("nothing", "R-MESSAGE-4", "", "bad_message"),
    _case("half an object", "R-MESSAGE-4", '{"type":"t"', "bad_message"),
    _case("two objects", "R-MESSAGE-4", '{"type":"t","payload":1,"seq":1}{}', "bad_message"),
    _case("a comment", "R-MESSAGE-4", '{"type":"t","payload":1,"seq":1}//', "bad_message"),
    _case("null", "R-MESSAGE-4", "null", "bad_message"),
    _case("a number", "R-MESSAGE-4", "7", "bad_message"),
    _case("an array", "R-MESSAGE-4", '[{"type":"t","payload":1,"seq":1}]', "bad_message"),
    _case("no type", "R-MESSAGE-4", '{"payload":1,"seq":1}', "bad_message"),
    _case("a type that is no text", "R-MESSAGE-4", '{"type":7,"payload":1,"seq":1}', "bad_message"),
    _case("a seq that is no number", "R-MESSAGE-4", '{"type":"t","payload":1,"seq":"1"}', "bad_message"),
    _case("a seq with a fraction", "R-MESSAGE-4", '{"type":"t","payload":1,"seq":1.5}', "bad_message"),
    _case("a batch without events", "R-MESSAGE-4", '{"type":"batch"}', "bad_message"),
    _case("a batch in a batch", "R-MESSAGE-3", '{"type":"batch","events":[{"type":"batch","events":[]}]}', "bad_message"),
    _case("a second welcome", "R-MESSAGE-10", '{"type":"welcome","payload":{}}', "bad_message"),
]

"""The tables of sdk/PROTOCOL.md, between lines <!-- begin NAME --> and <!-- end NAME -->."""

import re

CLASSES = {
    "come_back": "come back",
    "gently": "come back, but not at once",
    "new_token": "come back with a new token",
    "stay_away": "stay away",
}
SENDERS = {"server": "the server", "client": "the client", "proxy": "a proxy", "nobody": "nobody"}


def with_tables(page, protocol):
    """The page with its tables as the protocol has them."""
    for name, rows in _tables(protocol).items():
        marks = re.compile(rf"(<!-- begin {name} -->\n).*?(<!-- end {name} -->)", re.DOTALL)
        if len(marks.findall(page)) != 1:
            raise SystemExit(f"sdk/PROTOCOL.md must have <!-- begin {name} --> and <!-- end {name} -->, once")
        table = "".join(f"| {' | '.join(row)} |\n" for row in rows)
        page = marks.sub(lambda found, table=table: found[1] + table + found[2], page)
    return page


def _tables(protocol):
    return {
        "close codes": _close_codes(protocol["close_codes"]),
        "error codes": _error_codes(protocol["error_codes"]),
        "client error codes": _client_error_codes(protocol["client_error_codes"]),
    }


def _head(*titles):
    return [titles, ["---"] * len(titles)]


def _close_codes(codes):
    rows = (
        [str(line["code"]), f"`{line['name']}`", SENDERS[line["sender"]], line["meaning"], line["reason"], CLASSES[line["class"]]]
        for line in codes
    )
    return [*_head("code", "name", "sent by", "meaning", "reason", "then"), *rows]


def _error_codes(codes):
    rows = ([f"`{line['code']}`", ", ".join(map(str, line["statuses"])), line["meaning"]] for line in codes)
    return [*_head("code", "status", "meaning"), *rows]


def _client_error_codes(codes):
    rows = ([f"`{line['code']}`", f"`{line['kind']}`", line["meaning"]] for line in codes)
    return [*_head("code", "kind", "when"), *rows]

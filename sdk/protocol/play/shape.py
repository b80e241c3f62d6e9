"""What is the same in every session: the page without tokens, ids, times, and bytes that follow from them."""

import re

# In this order: each takes what those before it have left.
_CHANCE = [
    (r"eyJ[\w-]+\.[\w-]+\.[\w-]+", "TOKEN"),
    (r"r1\.[\w.:-]+", "REFRESH_TOKEN"),
    (r"(?m)^([<>]) (Sec-WebSocket-Key|Sec-WebSocket-Accept|Date|Host|Content-Length): .*$", r"\1 \2: …"),
    (r"guest:[\w-]+", "USER"),
    (r"Guest-\w+", "NAME"),
    (r"(\w+)@[0-9a-f]{8}\b", r"\1@VERSION"),
    (r'"epoch":"[0-9a-f]+"', '"epoch":"EPOCH"'),
    (r"epoch=[0-9a-f]+", "epoch=EPOCH"),
    (r'"(now|created_at|timestamp)":\d+', r'"\1":MS'),
    # Bytes of frames: the first says what it is; lengths and masks are chance.
    (r"(?m)^([<>]) ([0-9a-f]{2})( [0-9a-f]{2})+( … and \d+ bytes)?$(\n[<>]( [0-9a-f]{2})+$)*", r"\1 \2 …"),
]


def of(page):
    """The page's shape."""
    for pattern, stand_in in _CHANCE:
        page = re.sub(pattern, stand_in, page)
    return "\n".join(_sorted_fields(line) for line in page.splitlines())


def _sorted_fields(line):
    """Lua's tables have no order: two states are the same that have the same parts."""
    if not line.startswith(('< {"', '> {"')):
        return line
    return line[:2] + " ".join(sorted(re.split(r"[{},\[\]]+", line[2:])))

"""Sums up an Autobahn report: every case that did not pass, and how many did. Exits with 1 if one did not."""

import collections
import json
import sys

PASSED = {"OK", "NON-STRICT", "INFORMATIONAL"}
PASSED_CLOSE = {"OK", "INFORMATIONAL"}


def main(index_path):
    with open(index_path) as index:
        cases = json.load(index)["godra"]

    def passed(case):
        return case["behavior"] in PASSED and case["behaviorClose"] in PASSED_CLOSE

    in_order = sorted(cases, key=lambda name: [int(part) for part in name.split(".")])
    failed = [name for name in in_order if not passed(cases[name])]
    behaviors = collections.Counter(case["behavior"] for case in cases.values())
    print("behaviour: " + ", ".join("%d %s" % (count, name) for name, count in sorted(behaviors.items())))
    for name in in_order:
        case = cases[name]
        if case["behavior"] == "NON-STRICT":
            print("non-strict: case %s" % name)
        if name in failed:
            details = (name, case["behavior"], case["behaviorClose"], case["remoteCloseCode"])
            print("FAILED: case %s: %s, close %s, close code %s" % details)
    print("%d passed, %d failed" % (len(cases) - len(failed), len(failed)))
    return 1 if failed or not cases else 0


sys.exit(main(sys.argv[1]))

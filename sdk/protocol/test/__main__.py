"""Runs the tests; the last line says how many passed and failed."""

import sys
import unittest

from . import (
    test_bodies,
    test_completeness,
    test_connections,
    test_fixtures,
    test_inputs,
    test_messages,
    test_rooms,
    test_sessions,
    test_transcript,
)

MODULES = (
    test_completeness,
    test_fixtures,
    test_transcript,
    test_messages,
    test_inputs,
    test_bodies,
    test_connections,
    test_rooms,
    test_sessions,
)


def main():
    loader = unittest.TestLoader()
    loader.testNamePatterns = [f"*{name}*" for name in sys.argv[1:]] or None
    suite = unittest.TestSuite(map(loader.loadTestsFromModule, MODULES))
    if suite.countTestCases() == 0:
        sys.exit(f"no test is named {' or '.join(sys.argv[1:])}")
    result = unittest.TextTestRunner(stream=sys.stdout, verbosity=2).run(suite)
    failed = len(result.failures) + len(result.errors) + len(result.unexpectedSuccesses)
    print(f"{result.testsRun - failed} passed, {failed} failed")
    sys.exit(failed > 0)


main()

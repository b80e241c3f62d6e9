"""Tests of the protocol against the real server."""

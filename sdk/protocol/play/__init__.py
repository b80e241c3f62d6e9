"""Plays sessions with a real server over plain sockets: nothing between the bytes and what is looked at."""

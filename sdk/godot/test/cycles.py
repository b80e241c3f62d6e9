#!/usr/bin/env python3
"""cycles.py FOLDER: fails if scripts preload each other in a circle. The engine takes such scripts, and may crash at their start."""
import os
import re
import sys

PRELOAD = re.compile(r'preload\("([^"]+\.gd)"\)')
EXTENDS = re.compile(r'^extends "([^"]+)"', re.MULTILINE)


def main(folder):
    graph = {path: list(links(path)) for path in scripts(folder)}
    for start in sorted(graph):
        circle = find(graph, start, [])
        if circle:
            sys.exit("these preload each other: " + " -> ".join(circle))


def scripts(folder):
    for root, _, names in os.walk(folder):
        yield from (os.path.normpath(os.path.join(root, name)) for name in names if name.endswith(".gd"))


def links(path):
    with open(path, encoding="utf-8") as file:
        text = file.read()
    for target in PRELOAD.findall(text) + EXTENDS.findall(text):
        if target.startswith("res://addons/"):
            yield os.path.normpath(path[: path.rindex("/addons/")] + target.removeprefix("res:/"))
        elif not target.startswith("res://"):
            yield os.path.normpath(os.path.join(os.path.dirname(path), target))


def find(graph, node, path):
    if node in path:
        return path[path.index(node) :] + [node]
    for target in graph.get(node, []):
        circle = find(graph, target, path + [node])
        if circle:
            return circle
    return None


if __name__ == "__main__":
    main(*sys.argv[1:])

#!/usr/bin/env python3
"""pack.py OUT.pck PATH=SOURCE...: packs folders and files into a pack that Godot 4 runs.

Each SOURCE goes to res://PATH ("." is the root). Scripts with a class_name are listed as the editor would list them, so that the
engine knows the names. What a folder with a .gdignore holds is left out, as the editor leaves it out, but for a SOURCE itself.
"""
import hashlib
import os
import re
import struct
import sys

FORMAT, MAJOR, MINOR = 2, 4, 2
FLAG_RELATIVE_BASE = 2
ALIGNMENT = 32
CLASS = re.compile(rb"^class_name\s+(\w+)", re.MULTILINE)
EXTENDS = re.compile(rb"^extends\s+(\w+)", re.MULTILINE)


def main(out, *mounts):
    files = {}
    for mount in mounts:
        path, source = mount.split("=", 1)
        for name, body in read(source):
            files[os.path.normpath(os.path.join(path, name)) if name else path] = body
    files[".godot/global_script_class_cache.cfg"] = classes(files)
    with open(out, "wb") as pack:
        pack.write(packed(files))


def read(source):
    if os.path.isfile(source):
        yield "", content(source)
        return
    for folder, subfolders, names in os.walk(source):
        subfolders[:] = [one for one in subfolders if not os.path.exists(os.path.join(folder, one, ".gdignore"))]
        for name in names:
            path = os.path.join(folder, name)
            yield os.path.relpath(path, source), content(path)


def content(path):
    with open(path, "rb") as file:
        return file.read()


def classes(files):
    entries = []
    for path, body in sorted(files.items()):
        name = CLASS.search(body) if path.endswith(".gd") else None
        if name is None:
            continue
        base = EXTENDS.search(body)
        entries.append(
            '{"base": &"%s", "class": &"%s", "icon": "", "is_abstract": false, "is_tool": false, "language": &"GDScript", "path": "res://%s"}'
            % (base.group(1).decode() if base else "RefCounted", name.group(1).decode(), path)
        )
    return ("list=[%s]\n" % ", ".join(entries)).encode()


def packed(files):
    directory, data = b"", b""
    for path, body in sorted(files.items()):
        data += bytes(-len(data) % ALIGNMENT)
        name = ("res://" + path).encode()
        name += bytes(-len(name) % 4)
        place = struct.pack("<QQ", len(data), len(body)) + hashlib.md5(body).digest() + struct.pack("<I", 0)
        directory += struct.pack("<I", len(name)) + name + place
        data += body
    head = b"GDPC" + struct.pack("<IIIII", FORMAT, MAJOR, MINOR, 0, FLAG_RELATIVE_BASE)
    counted = struct.pack("<I", len(files)) + directory
    base = len(head) + 8 + 64 + len(counted)
    base += -base % ALIGNMENT
    start = head + struct.pack("<Q", base) + bytes(64) + counted
    return start.ljust(base, b"\0") + data


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])

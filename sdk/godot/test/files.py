#!/usr/bin/env python3
"""files.py SDK: checks what the Asset Library and the repository want of the add-on's files."""
import os
import re
import sys

LONGEST = 290


def main(sdk):
    addon = os.path.join(sdk, "addons/godra")
    for name in ["LICENSE", "README.md", "CHANGELOG.md", "plugin.cfg", "plugin.gd", "icons/client.svg", "icons/room.svg", "icon.png"]:
        must(os.path.isfile(os.path.join(addon, name)), f"{name} is missing")
    config = text(os.path.join(addon, "plugin.cfg"))
    version = re.search(r'version="([^"]+)"', config).group(1)
    server = re.search(r'^version = "([^"]+)"', text(os.path.join(sdk, "../../Cargo.toml")), re.MULTILINE).group(1)
    must(version == server, f"plugin.cfg says {version}, the server is {server}")
    must(f"## {version}" in text(os.path.join(addon, "CHANGELOG.md")), f"CHANGELOG.md does not tell of {version}")
    must(text(os.path.join(addon, "LICENSE")) == text(os.path.join(sdk, "../../LICENSE")), "LICENSE is another one")
    must(not any("addons" in path for path in ignored(sdk)), ".gitattributes keeps the add-on from being exported")
    for root, _, names in os.walk(addon):
        for name in names:
            if name.endswith(".gd"):
                lines = text(os.path.join(root, name)).count("\n")
                must(lines <= LONGEST or name in ("godra.gd", "room.gd"), f"{name} has {lines} lines")


def ignored(sdk):
    return re.findall(r"^(\S+)\s+export-ignore", text(os.path.join(sdk, ".gitattributes")), re.MULTILINE)


def text(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def must(is_so, why):
    if not is_so:
        sys.exit(why)


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Starts the real server: on a free port, in a folder of its own, with the repository's scripts."""

import os
import re
import shutil
import subprocess
import tempfile
import threading
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[3]
START_LIMIT_S = 15


class GodraServer:
    """A running server; a context that stops it and removes its folder at its end."""

    def __init__(self, *flags, scripts=(), secret="only for tests: thirty-two bytes and more"):
        """`scripts`: more scripts than the repository's, as pairs of a name and a text."""
        self.folder = Path(tempfile.mkdtemp(prefix="godra-protocol-"))
        folder = shutil.copytree(REPOSITORY / "scripts", self.folder / "scripts")
        for name, text in scripts:
            (folder / f"{name}.lua").write_text(text)
        self._flags = flags
        self._environment = {"PATH": os.environ["PATH"], "RUST_LOG": "info", "JWT_SECRET": secret}
        self.port = 0
        self.start()

    def start(self):
        """Starts it, again at the same address if it ran before."""
        command = [_binary(), "--host", "127.0.0.1", "--port", str(self.port), *self._flags]
        self.process = subprocess.Popen(
            command,
            cwd=self.folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.output = []
        listening = threading.Event()
        threading.Thread(target=self._read, args=(self.process.stdout, listening), daemon=True).start()
        if not listening.wait(START_LIMIT_S) or self.port == 0:
            self.process.kill()
            raise RuntimeError("the server did not start; it printed:\n" + "".join(self.output))

    def _read(self, stream, listening):
        for line in stream:
            self.output.append(line)
            found = re.search(r"listening on \S*:(\d+)", line)
            if found:
                self.port = int(found[1])
                listening.set()
        # It has ended: whoever waits for it to listen waits in vain.
        listening.set()

    def user(self, *arguments, given=""):
        """Runs `godra user …` on this server's accounts."""
        command = [_binary(), "user", *arguments]
        done = subprocess.run(
            command, cwd=self.folder, env=self._environment, input=given, capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise RuntimeError(f"godra user {' '.join(arguments)}: {done.stderr}")

    def terminate(self):
        """Asks it to stop in good order."""
        self.process.terminate()

    def wait(self):
        self.process.wait(START_LIMIT_S)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


def _binary():
    built = [REPOSITORY / "target" / profile / "godra" for profile in ("release", "debug")]
    given = os.environ.get("GODRA_BIN")
    candidates = [Path(given).resolve()] if given else built
    found = sorted((path for path in candidates if path.exists()), key=lambda path: -path.stat().st_mtime)
    if not found:
        names = ", ".join(map(str, candidates))
        raise SystemExit(f"no server to play with: build one (cargo build), or name it in GODRA_BIN. Looked for {names}")
    return str(found[0])

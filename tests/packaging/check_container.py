# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Do the steps of C{examples/docker/Dockerfile} without Docker, in a folder of their own:
the files that the build gets, its commands, and the program that the container runs,
with its check of health.  Only the user and the base image are those of this machine.

    python tests/packaging/check_container.py
"""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "examples" / "docker"

#: The places of the image, which become folders of the test.
PLACES = ("/source", "/opt", "/data")

#: Seconds that the program has to end.
PATIENCE = 120


def instructions() -> list[tuple[str, str]]:
    """
    Return the instructions of the Dockerfile.
    """
    text = (FOLDER / "Dockerfile").read_text()
    lines = re.sub(r"^#.*\n", "", text, flags=re.MULTILINE).replace("\\\n", " ")
    return [
        (name, rest)
        for name, _, rest in (line.partition(" ") for line in lines.splitlines())
        if name
    ]


def copyContext(to: Path) -> None:
    """
    Copy the files that C{Dockerfile.dockerignore} lets through.
    """
    for line in (FOLDER / "Dockerfile.dockerignore").read_text().splitlines():
        if line.startswith("!"):
            place, source = to / line[1:], ROOT / line[1:]
            if source.is_dir():
                shutil.copytree(
                    source, place, ignore=shutil.ignore_patterns("__pycache__")
                )
            else:
                shutil.copy(source, place)


class Container:
    """
    The image, and what runs in it.
    """

    def __init__(self, root: Path) -> None:
        """
        @param root: takes the place of the root of the image.
        """
        self.root = root
        self.path = ""
        self.words: dict[str, list[str]] = {}

    def moved(self, text: str) -> str:
        """
        Write the places of the image as those of the test.
        """
        for place in PLACES:
            text = re.sub(rf"(?<![\w.]){place}\b", f"{self.root}{place}", text)
        return text

    def build(self) -> None:
        """
        Do the steps.
        """
        for name, rest in instructions():
            if name == "COPY" and rest == ". /source":
                (self.root / "source").mkdir()
                copyContext(self.root / "source")
            elif name == "RUN" and not rest.startswith("useradd"):
                command = rest.replace("python -m venv", f"{sys.executable} -m venv")
                subprocess.run(self.moved(command), shell=True, check=True)
            elif name == "ENV":
                self.path = self.moved(rest.removeprefix("PATH="))
            elif name == "VOLUME":
                Path(self.moved(rest)).mkdir()
            elif name in ("ENTRYPOINT", "CMD"):
                self.words[name] = json.loads(self.moved(rest))
            elif name == "HEALTHCHECK":
                self.words[name] = json.loads(self.moved(rest.removeprefix("CMD ")))

    def command(self, words: list[str]) -> list[str]:
        """
        Return a command whose program is that of the image, on free ports.
        """
        folder = self.path.partition(":")[0]
        free = [
            re.sub(r"0\.0\.0\.0/(tcp|udp)/\d+", r"127.0.0.1/\1/0", w) for w in words
        ]
        return [f"{folder}/{free[0]}", *free[1:]]

    def run(self) -> str:
        """
        Run the program, and return its state, as the check of health prints it.
        """
        words = self.words["ENTRYPOINT"] + self.words["CMD"]
        program = subprocess.Popen(
            self.command(words), cwd=self.root, stdout=subprocess.PIPE, text=True
        )
        assert program.stdout is not None
        try:
            if not any("listening on" in line for line in program.stdout):
                sys.exit("the program of the container has ended")
            check = self.command(self.words["HEALTHCHECK"])
            return subprocess.run(
                check, stdout=subprocess.PIPE, text=True, check=True
            ).stdout
        finally:
            program.send_signal(signal.SIGTERM)
            program.communicate(timeout=PATIENCE)


def main() -> None:
    """
    Build and run.
    """
    with tempfile.TemporaryDirectory() as name:
        container = Container(Path(name))
        container.build()
        state = container.run()
        for transport in ("/tcp/", "/quic-v1"):
            if transport not in state:
                sys.exit(f"the container does not listen on {transport}: {state}")
        if not (Path(name) / "data" / "node.key").exists():
            sys.exit("the key is not in the volume")
    print("container: its steps make a node that is healthy, on TCP and QUIC")


if __name__ == "__main__":
    main()

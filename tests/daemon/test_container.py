# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The container in C{examples/docker}.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.options import ToolOptions
from twisted_libp2p.tap import Options

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "examples" / "docker"

#: The folder of the volume.
DATA = "/data"


def instructions(text: str) -> list[tuple[str, str]]:
    """
    Return the instructions of a Dockerfile.
    """
    lines = re.sub(r"^#.*\n", "", text, flags=re.MULTILINE).replace("\\\n", " ")
    return [
        (name, rest)
        for name, _, rest in (line.partition(" ") for line in lines.splitlines())
        if name
    ]


class ContainerTests(SynchronousTestCase):
    """
    The image, and the example with a web site.
    """

    def setUp(self) -> None:
        """
        Read both.
        """
        self.image = instructions((FOLDER / "Dockerfile").read_text())
        self.compose = (FOLDER / "compose.yaml").read_text()

    def words(self, name: str) -> list[str]:
        """
        Return the words of an instruction that is JSON.
        """
        (text,) = (rest for found, rest in self.image if found == name)
        words = json.loads(text)
        assert isinstance(words, list)
        return words

    def parsed(self, *arguments: str) -> Options:
        """
        Parse the options of the node, in a folder of the test.
        """
        program, *words = [*self.words("ENTRYPOINT"), *arguments]
        self.assertEqual(program, "twist")
        options = Options()
        options.parseOptions(words[words.index("libp2p") + 1 :])
        self.assertEqual(options["data"], DATA)
        return options

    def test_command(self) -> None:
        """
        The program knows all options of the image; its ports are those that it listens
        on.
        """
        options = self.parsed(*self.words("CMD"))
        ports = {each.split("/")[4] for each in options["listen"]}
        (exposed,) = (rest for found, rest in self.image if found == "EXPOSE")
        self.assertEqual({each.split("/")[0] for each in exposed.split()}, ports)
        self.assertIn(("VOLUME", DATA), self.image)

    def test_health(self) -> None:
        """
        The container is healthy as long as the node answers.
        """
        (text,) = (rest for found, rest in self.image if found == "HEALTHCHECK")
        program, *words = json.loads(text.removeprefix("CMD "))
        self.assertEqual(program, "libp2p")
        options = ToolOptions()
        options.parseOptions(words)
        self.assertEqual(
            (options.subCommand, options.subOptions["data"]), ("status", DATA)
        )

    def test_files(self) -> None:
        """
        The build gets all files of the package.
        """
        ignored = (FOLDER / "Dockerfile.dockerignore").read_text().splitlines()
        for each in ignored:
            if each.startswith("!"):
                self.assertTrue((ROOT / each[1:]).exists(), each)
        self.assertIn("!twisted_libp2p", ignored)

    def test_compose(self) -> None:
        """
        The program knows all options of the example, which serves paired peers alone;
        Docker waits longer for its end than that can take.
        """
        command = self.compose.partition("command:\n")[2].partition("ports:")[0]
        words = [
            line.strip().removeprefix("- ").replace("${PUBLIC}", "/dns4/example.org")
            for line in command.splitlines()
            if line.strip()
        ]
        options = self.parsed(*words)
        self.assertEqual(options["serve"], ["/http/1.1=tcp:site:80"])
        self.assertEqual(options["allow-for"], ["/http/1.1=@paired"])
        (grace,) = re.findall(r"stop_grace_period: (\d+)s", self.compose)
        self.assertGreater(int(grace), options["drain"] + 10)

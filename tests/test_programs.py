# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of the five programs in C{examples/programs}, each under three reactors.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from twisted.internet import reactor
from twisted.trial.unittest import SynchronousTestCase

from tests.processes import TWISTD, ProgramTestCase
from twisted_libp2p.errors import Libp2pError
from twisted_libp2p.node import Node

PROGRAMS = Path(__file__).parents[1] / "examples" / "programs"
LISTEN = "/ip4/127.0.0.1/tcp/0"
ADDRESS = r"listening on (/ip4/127\.0\.0\.1/tcp/\d+/p2p/\w+)"

#: Installs a reactor, and runs a program on it.
RUN = """
import runpy, sys
from importlib import import_module
import_module("twisted.internet." + sys.argv[1]).install()
sys.argv = sys.argv[2:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""

#: The lines of the first form of each program, written before a node had C{async with},
#: C{serve}, C{keep}, C{session}, C{ask} and C{open}.  Parts of it that the program does
#: not have are left out: a limit on the rate of files; of the shell a terminal, keys of
#: users, websockets and a pool; of the hub its metrics.
OLD = {
    "chat.py": 102,
    "calc.py": 98,
    "files.py": 98,
    "shell.py": 161,
    "hub.tac": 69,
}


def lines(program: Path) -> int:
    """
    Count the lines of a program that are neither empty nor a comment.  Docstrings
    count, as they did before.
    """
    stripped = map(str.strip, program.read_text().splitlines())
    return sum(bool(line) and not line.startswith("#") for line in stripped)


class LinesTests(SynchronousTestCase):
    """
    The size of the programs.
    """

    def test_shorter(self) -> None:
        """
        Each needs at most 60 % of the lines that it took before.
        """
        programs = [*PROGRAMS.glob("*.py"), *PROGRAMS.glob("*.tac")]
        self.assertEqual({each.name for each in programs}, set(OLD))
        for name, before in OLD.items():
            self.assertLessEqual(lines(PROGRAMS / name), 0.6 * before, name)

    def test_readme(self) -> None:
        """
        The README states the size of the chat.
        """
        readme = (PROGRAMS.parents[1] / "README.rst").read_text()
        self.assertIn(f" takes {lines(PROGRAMS / 'chat.py')} lines", readme)


class Programs(ProgramTestCase):
    """
    The tests, for one reactor.
    """

    reactor: str

    def arguments(self, program: str, *arguments: str) -> list[str]:
        """
        Return the arguments of Python that run a program.
        """
        path = str(PROGRAMS / program)
        return ["-Wignore", "-c", RUN, self.reactor, path, *arguments]

    async def run_(self, program: str, *arguments: str) -> str:
        """
        Run a program to its end, and return its output.
        """
        code, out, err = await self.execute(*self.arguments(program, *arguments))
        self.assertEqual((code, err), (0, ""))
        return out

    async def test_chat(self) -> None:
        """
        Three members greet each other; one talks, one is killed, one leaves.
        """
        ada = self.start(*self.arguments("chat.py", "ada", "a.key", LISTEN))
        address = await ada.says(ADDRESS)
        bob = self.start(*self.arguments("chat.py", "bob", "b.key", LISTEN, address))
        other = await bob.says(ADDRESS)
        cyd = self.start(
            *self.arguments("chat.py", "cyd", "c.key", LISTEN, address, other)
        )
        for each, nicks in ((ada, "bob cyd"), (bob, "ada cyd"), (cyd, "ada bob")):
            for nick in nicks.split():
                await each.says(rf"(\* {nick} is here)")
        ada.transport.write(b"hello all\n")
        for each in (bob, cyd):
            await each.says("(<ada> hello all)")
        cyd.transport.signalProcess("KILL")
        for each in (ada, bob):
            await each.says(r"(\* cyd is gone)")
        bob.transport.signalProcess("INT")
        await ada.says(r"(\* bob has left)")

    async def test_calc(self) -> None:
        """
        AMP and PB call in both directions, and know who is asking.
        """
        server = self.start(*self.arguments("calc.py", "serve", LISTEN))
        out = await self.run_("calc.py", "ask", await server.says(ADDRESS))
        for line in (
            "notice: computed for",
            "1 + 2 = 3",
            "as expected: too much for me",
            "watcher: balance is 15",
            "balance 15",
        ):
            self.assertIn(line, out)

    async def test_files(self) -> None:
        """
        A file that was fetched in part is fetched from there.
        """
        content = os.urandom(300_000)
        (self.folder / "data").write_bytes(content)
        (self.folder / "there").mkdir()
        server = self.start(*self.arguments("files.py", "offer", LISTEN))
        address = await server.says(ADDRESS)
        part = self.folder / "data.part"
        part.write_bytes(content[:100_000])
        out = await self.run_("files.py", "fetch", address, "data")
        self.assertIn("asking from byte 100000", out)
        self.assertIn("checksum good", out)
        self.assertEqual((self.folder / "data").read_bytes(), content)
        key = next(self.folder.rglob("files.key")).name
        code, _, _ = await self.execute(
            *self.arguments("files.py", "fetch", address, key)
        )
        self.assertNotEqual(code, 0, "it has given its private key away")

    async def test_shell(self) -> None:
        """
        SSH runs a command, and the site greets, each by the peer id of the client.
        """
        server = self.start(*self.arguments("shell.py", "serve", LISTEN, "sesame"))
        address = await server.says(ADDRESS)
        out = await self.run_("shell.py", "run", address, "sesame", "uptime")
        self.assertIn("asked for uptime", out)
        self.assertIn("12D3KooW", out)
        out = await self.run_("shell.py", "get", address, "/")
        self.assertIn("200 hello, 12D3KooW", out)

    async def test_hub(self) -> None:
        """
        The daemon counts, and logs who comes and goes.
        """
        kind = self.reactor.removesuffix("reactor")
        self.environment = {
            "HUB_LISTEN": LISTEN,
            "HUB_STATUS": "tcp:0:interface=127.0.0.1",
        }
        server = self.start(
            *TWISTD, "--reactor", kind, "--nodaemon", "--pidfile=",
            "--python", str(PROGRAMS / "hub.tac"),
        )  # fmt: skip
        address = await server.says(ADDRESS)
        client = Node(reactor)
        client.startService()
        self.addCleanup(client.stopService)
        async with client.open(address, "/count/1.0.0") as talk:
            self.assertEqual(await talk.read(), b"1\n")
        (connection,) = client.connections
        await connection.close()
        await server.says(r"(connected 12D3KooW\w+)")
        await server.says(r"(12D3KooW\w+ left)")
        (self.folder / "data" / "blocked").write_text("0.0.0.0/0")
        server.transport.signalProcess("HUP")
        await server.says("(blocked was read again)")
        with self.assertRaises(Libp2pError):
            await client.connect(address)


class EpollTests(Programs):
    """
    On Linux this is the usual reactor.
    """

    reactor = "epollreactor"
    skip = None if sys.platform == "linux" else "needs epoll"


class AsyncioTests(Programs):
    """
    The event loop of asyncio.
    """

    reactor = "asyncioreactor"


class SelectTests(Programs):
    """
    The reactor that is everywhere.
    """

    reactor = "selectreactor"


# Only its subclasses are tests.
del Programs

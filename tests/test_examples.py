# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of the examples: each does what its docstring says.
"""

from __future__ import annotations

from pathlib import Path

from twisted.internet import reactor
from twisted.trial.unittest import SynchronousTestCase

from tests.processes import TWIST, ProgramTestCase
from twisted_libp2p.node import Node

EXAMPLES = Path(__file__).parents[1] / "examples"
ADDRESS = r"listening on (/ip4/127\.0\.0\.1/tcp/\d+/p2p/\w+)"


class SizeTests(SynchronousTestCase):
    """
    Examples are read before they are run.
    """

    def test_short(self) -> None:
        """
        Each fits on one page.
        """
        for path in EXAMPLES.glob("*.py"):
            self.assertLessEqual(len(path.read_text().splitlines()), 45, path)


class ExampleTests(ProgramTestCase):
    """
    The examples as programs.
    """

    async def test_echo(self) -> None:
        """
        The client gets back what it said from the server, which keeps its
        identity in a file.
        """
        server = self.start(
            str(EXAMPLES / "echo_server.py"),
            "libp2p:/ip4/127.0.0.1/tcp/0:protocol=/echo/1.0.0:identity=echo.key",
        )
        address = await server.says(ADDRESS)
        code, out, err = await self.execute(
            str(EXAMPLES / "echo_client.py"),
            f"libp2p:{address}:protocol=/echo/1.0.0",
            "hello",
        )
        self.assertEqual((code, out, err), (0, "hello\n", ""))
        self.assertIn(b"serving /ip4/127.0.0.1/tcp/", server.out)
        self.assertTrue((self.folder / "echo.key").exists())

    async def test_web(self) -> None:
        """
        Twisted's own web server serves a file to the client.
        """
        (self.folder / "page").write_text("hello")
        server = self.start(
            *TWIST, "--log-format=text", "web", "--path", ".",
            "--listen", "libp2p:/ip4/127.0.0.1/tcp/0:protocol=/http/1.1",
        )  # fmt: skip
        address = await server.says(ADDRESS)
        # Twisted's client warns of a transport of its own, over TCP as well.
        code, out, err = await self.execute(
            "-Wignore::DeprecationWarning",
            str(EXAMPLES / "web_over_libp2p.py"),
            address,
            "/page",
        )
        self.assertEqual((code, out, err), (0, "200 hello\n", ""))
        await server.says(r'("GET /page HTTP/1.1" 200 5)')

    async def test_events(self) -> None:
        """
        A node that comes and goes is told of, on both sides of a dial.
        """
        node = Node(reactor, listen=["/ip4/127.0.0.1/tcp/0"], agent="visitor/1")
        node.startService()
        self.addCleanup(node.stopService)
        (visitor,) = await node.whenListening()
        program = self.start(
            str(EXAMPLES / "events.py"), "/ip4/127.0.0.1/tcp/0", str(visitor)
        )
        await program.says(ADDRESS)
        await program.says("round trip: ([0-9.e-]+) seconds")
        await program.says("(it is visitor/1)")
        await node.stopService()
        await program.says(f"(ClosedConn {node.peerID})")
        told = program.out.decode()
        for name in ("Listen", "OpenedConn", "OpenedStream", "ClosedStream"):
            self.assertIn(f"{name} ", told)
        self.assertIn(await program.stop(), (0, -15))
        self.assertEqual(program.err, b"")

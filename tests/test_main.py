# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.__main__}: the command line tools.
"""

from __future__ import annotations

import json
import os
import socket
import sys
from contextlib import redirect_stdout
from io import StringIO
from time import time
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionAborted, ConnectionDone
from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.testing import MemoryReactorClock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from tests.calledtools import callTool
from tests.processes import Program, ProgramTestCase
from twisted_libp2p import __main__, __version__
from twisted_libp2p.__main__ import main
from twisted_libp2p.errors import UpgradeTimeout
from twisted_libp2p.events import ClosedConn, OpenedConn
from twisted_libp2p.identity import Identity, KeyType, PeerID
from twisted_libp2p.node import Node
from twisted_libp2p.options import ToolOptions, tools
from twisted_libp2p.protocols.echo import PROTOCOL_ID as ECHO
from twisted_libp2p.protocols.echo import EchoFactory
from twisted_libp2p.protocols.perf import MAX_SIZE, Header, PerfFactory, PerfResponder
from twisted_libp2p.protocols.perf import PROTOCOL_ID as PERF

MODULE = ("-m", "twisted_libp2p")
MIB = 1 << 20


@implementer(IHalfCloseableProtocol)
class Blob(Protocol):
    """
    Sends more than a pipe holds, and less than a window, and its end.

    @cvar ended: fires when both halves have ended.
    """

    ended: Deferred[None]

    def connectionMade(self) -> None:
        """
        Send it.
        """
        self.transport.write(bytes(240_000))  # type: ignore[union-attr]
        self.transport.loseWriteConnection()  # type: ignore[union-attr]

    def readConnectionLost(self) -> None:
        """
        The program's stdin has ended.
        """

    def writeConnectionLost(self) -> None:
        """
        Everything was sent.
        """

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        Note it.
        """
        self.ended.callback(None)


class Rude(Protocol):
    """
    Cuts off whoever says anything.
    """

    transport: Any

    def dataReceived(self, data: bytes) -> None:
        """
        Do it.
        """
        self.transport.abortConnection()


class Slow(PerfResponder):
    """
    Does not read until it is told to.
    """

    def connectionMade(self) -> None:
        """
        Do not begin.
        """
        super().connectionMade()
        self.transport.pauseProducing()


class SlowFactory(Factory):
    """
    Builds L{Slow}.

    @ivar built: all that were built.
    """

    noisy = False

    def __init__(self, clock: Any) -> None:
        self.clock = clock
        self.built: list[Slow] = []

    def buildProtocol(self, addr: Any) -> Slow:
        """
        Build one more.
        """
        self.built.append(Slow(self.clock, Header.WANTED))
        return self.built[-1]


class KeyTests(SynchronousTestCase):
    """
    The tools that need no network.
    """

    def tool(self, *arguments: str) -> list[str]:
        """
        Run a tool that succeeds, and give the lines that it prints.
        """
        out = StringIO()
        with self.assertRaises(SystemExit) as caught, redirect_stdout(out):
            main(list(arguments))
        self.assertEqual(caught.exception.code, 0)
        return out.getvalue().splitlines()

    def refused(self, *arguments: str) -> str:
        """
        Run a tool that fails, and give the one line that it says.
        """
        with self.assertRaises(SystemExit) as caught:
            main(list(arguments))
        line = caught.exception.code
        assert isinstance(line, str)
        self.assertEqual(line[:8], "libp2p: ")
        self.assertNotIn("\n", line)
        return line

    def test_help(self) -> None:
        """
        The help of each tool tells what it is for, in plain English.
        """
        # What usage.Options shows if it is not told better.
        self.patch(sys.modules["__main__"], "__doc__", "L{docstring}")
        for parser in (
            ToolOptions,
            *(parser for _, _, parser, _ in ToolOptions.subCommands),
        ):
            self.assertNotIn("L{docstring}", str(parser()))

    def test_keygen(self) -> None:
        """
        A key of each type is made, in a file that only its owner reads, and
        its peer id printed.
        """
        for type in KeyType:
            path = self.mktemp()
            (printed,) = self.tool("keygen", "--type", type.name.lower(), path)
            identity = Identity.fromFile(path)
            self.assertEqual(printed, str(identity.peerID))
            self.assertEqual(identity.publicKey.type, type)
            self.assertEqual(os.stat(path).st_mode & 0o777, 0o600)

    def test_default(self) -> None:
        """
        A key is Ed25519 unless another type is wanted.
        """
        path = self.mktemp()
        self.tool("keygen", path)
        self.assertEqual(Identity.fromFile(path).publicKey.type, KeyType.ED25519)

    def test_overwrite(self) -> None:
        """
        A key that is there is not overwritten.
        """
        path = self.mktemp()
        (before,) = self.tool("keygen", path)
        self.assertIn(path, self.refused("keygen", path))
        self.assertEqual(self.tool("id", path)[0], before)

    def test_id(self) -> None:
        """
        The spellings of a peer id all mean the same peer.
        """
        path = self.mktemp()
        (peer,) = self.tool("keygen", path)
        spellings = self.tool("id", path)
        self.assertEqual(len(set(spellings)), 3)
        for each in spellings:
            self.assertEqual(str(PeerID.fromText(each)), peer)

    def test_json(self) -> None:
        """
        Every tool that has a result prints it as JSON too.
        """
        # They print what passes by, if anything, and no result.
        without = {"pipe", "forward", "publish", "completion"}
        for name, _, parser, _ in ToolOptions.subCommands:
            self.assertEqual("json" in parser().longOpt, name not in without, name)
        path = self.mktemp()
        (line,) = self.tool("keygen", "--json", path)
        peer = str(Identity.fromFile(path).peerID)
        self.assertEqual(json.loads(line), {"peer": peer, "file": path})
        (line,) = self.tool("id", "--json", path)
        self.assertEqual(list(json.loads(line)), ["peer", "base32", "base36"])

    def test_bad(self) -> None:
        """
        What makes no sense is told in one line, and makes no file.
        """
        path = self.mktemp()
        for arguments, word in (
            ((), "keygen, id, ping, identify, reachability, perf, pipe"),
            (
                ("reachability",),
                "ADDRESS... is missing: libp2p reachability [options] ADDRESS...",
            ),
            (("bogus",), "'bogus': choose from keygen, id, ping"),
            (("keygen",), "FILE is missing: libp2p keygen [options] FILE"),
            (("keygen", "--type", "des", path), "ed25519, "),
            (("keygen", path + "/none/key"), path),
            (("id", path), f"{path}: libp2p keygen FILE makes one"),
            (("id", os.path.dirname(path)), os.path.dirname(path)),
            (("ping",), "ADDRESS is missing: libp2p ping [options] ADDRESS"),
            (
                ("ping", "--count", "0", "/a"),
                "--count: '0' is not a whole number from 1",
            ),
            (("ping", "/a", "-c", "x"), "-c: 'x' is not a whole number from 1 up"),
            (("ping", "/a", "--count"), "--count needs a value: how many pings"),
            (("ping", "--timeout", "-1", "/a"), "--timeout: '-1'"),
            (("ping", "/a", "/b"), "'/b': libp2p ping [options] ADDRESS"),
            (("identify", "--timeout", "nan", "/a"), "'nan'"),
            (("identify", "--zzz", "/a"), "no option --zzz: choose from --"),
            (
                ("identify", "/a", "--muxr", "mplex"),
                "no option --muxr: choose from --mux",
            ),
            (("identify", "-z", "/a"), "no option -z: choose from --"),
            (("perf",), "ADDRESS is missing"),
            (("perf", "/a"), "--upload, --download or both"),
            (("perf", "--upload", "-1", "/a"), "'-1'"),
            (("perf", "--download", str(1 << 64), "/a"), f"from 0 to {MAX_SIZE}"),
            (("perf", "--download", "10MiB", "/a"), "'10MiB'"),
            (("perf", "--header", "12", "/a"), "8 or 16"),
            (("pipe", "/a"), "PROTOCOL is missing: libp2p pipe [options] ADDRESS PROT"),
            (("pipe",), "ADDRESS and PROTOCOL are missing"),
            (("pipe", "/a", ""), "'' is no protocol id: it needs 1 to 1023 bytes"),
            (("pipe", "/a", "/b\n"), "'/b\\n' is no protocol id"),
            (("pipe", "/a", "/\udcff"), "is no protocol id: it is not valid Unicode"),
            (("ping", "/a", "--psk", ""), "--psk needs a value: file of the key of a"),
            (("ping", "/a", "--psk="), "--psk needs a value: file of the key of a"),
            (("ping", "/a", "-i", ""), "-i needs a value: file of our private key"),
            (("peers", "all"), "'all': libp2p peers [options]"),
            (("peers", "--export=all"), "--export takes no value"),
        ):
            self.assertIn(word, self.refused(*arguments))
        self.assertFalse(os.path.exists(path))

    def test_noQUIC(self) -> None:
        """
        An address of QUIC is refused with the missing extra.
        """
        self.patch(tools, "installed", lambda: False)
        address = "/ip4/192.0.2.1/udp/4001/quic-v1"
        for arguments in (("ping", address), ("pipe", address, "/echo/1.0.0")):
            self.assertIn("twisted-libp2p[quic]", self.refused(*arguments))

    def test_version(self) -> None:
        """
        The version is ours, of all tools and of each.
        """
        for tool in ((), *((name,) for name, *_ in ToolOptions.subCommands)):
            self.assertEqual(
                self.tool(*tool, "--version"), [f"twisted_libp2p {__version__}"]
            )

    def test_synopsis(self) -> None:
        """
        The help of each tool shows what stands after its name, be it complete or
        not.
        """
        for name, _, parser, _ in ToolOptions.subCommands:
            first, *_ = self.tool(name, "--help")
            self.assertEqual(
                first, " ".join(["Usage: libp2p", name, "[options]", *parser.operands])
            )

    def test_optionsLast(self) -> None:
        """
        Options may follow the operands; what follows two dashes is no option.
        """
        path = self.mktemp()
        self.tool("keygen", path, "-t", "secp256k1")
        self.assertEqual(Identity.fromFile(path).publicKey.type, KeyType.SECP256K1)
        options = ToolOptions()
        options.parseOptions(["pipe", "/a", "--timeout", "3", "--", "--muxer"])
        chosen = options.subOptions
        self.assertEqual((chosen["address"], chosen["protocol"]), ("/a", "--muxer"))
        self.assertEqual((chosen["timeout"], chosen["muxer"]), (3.0, "yamux,mplex"))


class NetworkTestCase(ProgramTestCase):
    """
    A node to talk to.
    """

    async def setUp(self) -> None:  # type: ignore[override]
        """
        Start it.
        """
        super().setUp()
        self.node = Node(reactor, listen=["/ip4/127.0.0.1/tcp/0"], agent="test/1")
        self.node.registry.register(ECHO, EchoFactory())
        self.node.startService()
        self.addCleanup(self.node.stopService)
        (address,) = await self.node.whenListening()
        self.address = str(address)
        self.bare = str(address.withoutPeer())


class ToolTests(NetworkTestCase):
    """
    The tools that talk to a peer, called here.
    """

    async def test_ping(self) -> None:
        """
        Each ping is a line, and so is what they come to.
        """
        lines = await callTool("ping", "--count", "3", self.address)
        self.assertEqual(len(lines), 4)
        for line in lines[:3]:
            self.assertRegex(line, r"^\d+\.\d{3} ms$")
        self.assertIn("3 pings", lines[3])

    async def test_bare(self) -> None:
        """
        An address without a peer id reaches whoever is there, and is dialed
        once.
        """
        seen: list[Any] = []
        self.node.events.subscribe(OpenedConn, seen.append)
        for tool in ("ping", "identify"):
            await callTool(tool, self.bare)
        self.assertEqual(len(seen), 2)

    async def test_reachability(self) -> None:
        """
        It says whether peers can dial this machine, and which could not be asked.
        """
        lines = await callTool(
            *("reachability", "--wait", "0.01", "--listen", "/ip4/127.0.0.1/tcp/0"),
            *(self.address, "/ip4/127.0.0.1/tcp/1"),
        )
        self.assertEqual(lines[0][:9], "unknown: ")
        self.assertIn("none speaks AutoNAT", lines[1])
        self.assertRegex(lines[3], r"^not public   /ip4/127\.0\.0\.1/tcp/\d+ ")

    async def test_identify(self) -> None:
        """
        All that a peer tells is printed, in its own line.
        """
        lines = await callTool("identify", self.address)
        told = [tuple(line.split("  ")[-2:]) for line in lines]
        told = [(name.strip(), value) for name, value in told]
        for pair in (
            ("peer", str(self.node.peerID)),
            ("agent", "test/1"),
            ("network", "ipfs/0.1.0"),
            ("security", "/noise"),
            ("muxer", "/yamux/1.0.0"),
            ("listens on", self.bare),
            ("speaks", ECHO),
        ):
            self.assertIn(pair, told)

    async def test_perf(self) -> None:
        """
        A line for each direction tells what moved; with either header.
        """
        for header in Header:
            serving = self.node.registry.register(PERF, PerfFactory(reactor, header))
            lines = await callTool(
                "perf", "--upload", str(MIB), "--download", "12345",
                "--header", str(header.value), self.address,
            )  # fmt: skip
            rate = r"in \d+\.\d{6} s, \d+\.\d MB/s$"
            self.assertEqual(len(lines), 2)
            self.assertRegex(lines[0], rf"^  upload  {MIB} bytes {rate}")
            self.assertRegex(lines[1], rf"^download  12345 bytes {rate}")
            serving.cancel()

    async def test_perfOneWay(self) -> None:
        """
        A direction that is not asked for is not told of.
        """
        self.node.registry.register(PERF, PerfFactory(reactor))
        (line,) = await callTool("perf", "--download", "10", self.address)
        self.assertEqual(line[:10], "download  ")
        (line,) = await callTool("perf", "--upload", "10", self.address)
        self.assertEqual(line[:10], "  upload  ")

    async def test_json(self) -> None:
        """
        With C{--json} each prints one object, and nothing else.
        """
        self.node.registry.register(PERF, PerfFactory(reactor))
        peer = str(self.node.peerID)
        found = {}
        for tool, *options in (
            ("ping", "--count", "3"),
            ("identify",),
            ("perf", "--download", "10"),
            ("reachability", "--wait", "0.01", "--listen", "/ip4/127.0.0.1/tcp/0"),
        ):
            (line,) = await callTool(tool, "--json", *options, self.address)
            found[tool] = json.loads(line)
        self.assertEqual(len(found["ping"]["milliseconds"]), 3)
        self.assertEqual(found["identify"]["listens_on"], [self.bare])
        self.assertIn(ECHO, found["identify"]["speaks"])
        self.assertEqual(found["perf"]["download"]["bytes"], 10)
        for tool in ("ping", "identify", "perf"):
            self.assertEqual(found[tool]["peer"], peer)
        self.assertEqual(found["reachability"]["reachability"], "unknown")
        (own,) = found["reachability"]["addresses"]
        self.assertEqual((own["source"], own["verdict"]), ("bound", None))

    async def test_options(self) -> None:
        """
        The options decide who we are, and what is spoken.
        """
        path = str(self.folder / "key")
        opened = self.node.events.next(OpenedConn)
        lines = await callTool(
            "identify", "--identity", path, "--muxer", "mplex,yamux",
            "--security", "noise", "--dialect", "bootstrap", self.address,
        )  # fmt: skip
        self.assertIn("       muxer  /mplex/6.7.0", lines)
        self.assertEqual((await opened).peer, Identity.fromFile(path).peerID)


class TimeoutTests(SynchronousTestCase):
    """
    The option that bounds the patience of all tools.
    """

    def test_timeout(self) -> None:
        """
        Somebody who does not answer is waited for as long as was said.
        """
        clock: Any = MemoryReactorClock()
        options = ToolOptions()
        address = "/ip4/192.0.2.1/tcp/4001"
        options.parseOptions(["ping", "--timeout", "4", address])
        waiting = Deferred.fromCoroutine(__main__.ping(clock, options.subOptions))
        clock.advance(3.9)
        self.assertNoResult(waiting)
        clock.advance(0.1)
        reason = self.failureResultOf(waiting, UpgradeTimeout)
        self.assertIn(address, reason.getErrorMessage())
        self.assertIn("4 seconds", reason.getErrorMessage())
        self.assertEqual(clock.getDelayedCalls(), [])


class ProgramTests(NetworkTestCase):
    """
    The tools as programs.
    """

    def refused(self, program: Program) -> str:
        """
        This program has failed, and said why in one line.
        """
        self.assertEqual(program.code, 1)
        line = program.err.decode()
        self.assertEqual(line.count("\n"), 1, line)
        self.assertEqual(line[:8], "libp2p: ")
        return line

    async def test_pipe(self) -> None:
        """
        Everything on stdin, be it a file or a pipe, goes to the peer; all that
        the peer says comes out, although stdin has ended long ago.
        """
        content = os.urandom(MIB)
        path = self.folder / "content"
        path.write_bytes(content)
        arguments = (*MODULE, "pipe", self.address, ECHO)
        with path.open("rb") as file:
            fromFile = self.start(*arguments, stdin=file.fileno())
        fromPipe = self.start(*arguments)
        fromPipe.transport.write(content)
        fromPipe.transport.closeStdin()
        for program in (fromFile, fromPipe):
            self.assertEqual(await program.ends(), 0, program.err)
            self.assertEqual(program.err, b"")
            self.assertEqual(len(program.out), MIB)
            self.assertEqual(program.out, content)

    async def test_closed(self) -> None:
        """
        A program that is started without stdin, stdout or stderr, or without any
        of them, works as with the null device; no socket or reactor takes their
        places.
        """
        self.node.registry.register("/blob", Factory.forProtocol(Blob))
        close = "import os, sys; [os.close(int(n)) for n in sys.argv.pop(1)];"
        run = "os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
        for closed, *tool in (
            ("0", "pipe", self.address, "/blob"),
            ("1", "pipe", self.address, "/blob"),
            ("2", "pipe", self.address, ECHO),
            ("1", "ping", "--count", "1", self.address),
            ("012", "keygen", "new.key"),
            ("012", "pipe", self.address, "/blob"),
        ):
            Blob.ended = Deferred()
            code, out, err = await self.execute(
                "-c", close + run, closed, *MODULE, *tool
            )
            self.assertEqual((code, err), (0, ""), (closed, tool))
            self.assertEqual(len(out), 240_000 if closed == "0" else 0)

    async def test_pipeReaderLeaves(self) -> None:
        """
        The program ends when nobody reads what it prints, although both halves of
        the stream have ended before, with bytes that it has not read.
        """
        self.node.registry.register("/blob", Factory.forProtocol(Blob))
        Blob.ended = Deferred()
        null = os.open(os.devnull, os.O_RDONLY)
        self.addCleanup(os.close, null)
        program = self.start(*MODULE, "pipe", self.address, "/blob", stdin=null)
        program.transport.pipes[1].pauseProducing()
        await Blob.ended
        # Its answer comes when it has taken in everything that was sent before.
        for connection in self.node.connections:
            await connection.ping()
        program.transport.closeStdout()
        await program.ends()

    async def test_cutOff(self) -> None:
        """
        A stream that breaks is no success.
        """
        self.node.registry.register("/rude", Factory.forProtocol(Rude))
        program = self.start(*MODULE, "pipe", self.address, "/rude")
        program.transport.write(b"hello")
        await program.ends()
        self.assertIn("reset", self.refused(program))

    async def test_perf(self) -> None:
        """
        Every second a line on stderr tells how far it is; stdout has nothing
        but the result.
        """
        slow = SlowFactory(reactor)
        self.node.registry.register(PERF, slow)
        program = self.start(
            *MODULE, "perf", "--upload", "10", "--download", "20", self.address
        )
        await program.says(r"(10 of 10 bytes sent, 0 of 20 received)\n")
        (responder,) = slow.built
        responder.transport.resumeProducing()
        self.assertEqual(await program.ends(), 0, program.err)
        self.assertEqual(program.out.count(b"\n"), 2, program.out)
        self.assertEqual(program.out[:10], b"  upload  ")

    async def test_interrupted(self) -> None:
        """
        Who interrupts a tool sees what it has come to, and nothing else; the
        connection is closed as it should be.
        """
        closed: list[Any] = []
        self.node.events.subscribe(ClosedConn, closed.append)
        pinging = self.start(*MODULE, "ping", "--count", "1000000", self.address)
        await pinging.says("( ms)\n")
        self.assertEqual(await pinging.stop("INT"), 130)
        self.assertEqual(pinging.err, b"")
        *lines, summary = pinging.out.decode().splitlines()
        self.assertTrue(summary.startswith(f"{len(lines)} pings, "), summary)
        piping = self.start(*MODULE, "pipe", self.address, ECHO)
        piping.transport.write(b"hello\n")
        await piping.says("(hello)\n")
        self.assertEqual(await piping.stop("TERM"), 130)
        self.assertEqual((piping.out, piping.err), (b"hello\n", b""))
        for event in closed:
            self.assertTrue(event.reason.check(ConnectionDone), event)
        self.assertEqual(len(closed), 2)

    async def test_cutOffPing(self) -> None:
        """
        What pings have come to is told although the connection has broken.
        """
        program = self.start(*MODULE, "ping", "--count", "1000000", self.address)
        await program.says("( ms)\n")
        for connection in list(self.node.connections):
            connection.abort(Failure(ConnectionAborted()))
        await program.ends()
        self.refused(program)
        self.assertIn(b" pings, min/avg/max ", program.out.splitlines()[-1])

    async def test_unreachable(self) -> None:
        """
        Whoever cannot be reached is told, and why; so is a protocol that is
        not spoken.
        """
        with socket.create_server(("127.0.0.1", 0)) as free:
            number = free.getsockname()[1]
        address = f"/ip4/127.0.0.1/tcp/{number}"
        unreachable = self.start(*MODULE, "ping", address)
        unspoken = self.start(*MODULE, "pipe", self.address, "/unspoken")
        await unreachable.ends()
        line = self.refused(unreachable)
        self.assertIn(address, line)
        self.assertIn("refused", line)
        await unspoken.ends()
        self.assertIn("/unspoken", self.refused(unspoken))


class PeersTests(ProgramTestCase):
    """
    C{peers}, as a program.
    """

    def write(self, name: str, count: int) -> None:
        """
        Write a file of peers, whose agent is not plain ASCII.
        """
        lines = (
            json.dumps(
                {
                    "peer": str(PeerID.fromBytes(b"\x12\x20" + n.to_bytes(32, "big"))),
                    "agent": "Zürich",
                    "identified": time(),
                }
            )
            for n in range(count)
        )
        (self.folder / name).write_text("\n".join(lines), encoding="utf-8")

    async def test_missing(self) -> None:
        """
        To read a database that is not there does not make one.
        """
        for options in ((), ("--export",)):
            code, out, err = await self.execute(
                *MODULE, "peers", "--peerstore", "sqlite:typo.db", *options
            )
            self.assertEqual((code, out), (1, ""))
            self.assertEqual(err, "libp2p: there is no file typo.db\n")
        self.assertEqual(os.listdir(self.folder), [])

    async def test_encoding(self) -> None:
        """
        What is exported is UTF-8 whatever the terminal's encoding is; a file that is
        none is refused in one line.
        """
        self.write("peers.jsonl", 1)
        self.patch(os, "environ", {**os.environ, "PYTHONIOENCODING": "ascii"})
        code, out, err = await self.execute(
            *MODULE, "peers", "--peerstore", "sqlite:a.db", "--import", "peers.jsonl",
            "--export",
        )  # fmt: skip
        self.assertEqual((code, err), (0, ""))
        self.assertEqual(json.loads(out)["agent"], "Zürich")
        (self.folder / "bad").write_bytes(b"\xff\xfe")
        (self.folder / "marked").write_text(
            (self.folder / "peers.jsonl").read_text("utf-8"), "utf-8-sig"
        )
        code, _, err = await self.execute(
            *MODULE, "peers", "--peerstore", "sqlite:b.db", "--import", "marked"
        )
        self.assertEqual((code, err), (0, ""))
        code, _, err = await self.execute(
            *MODULE, "peers", "--peerstore", "sqlite:a.db", "--import", "bad"
        )
        self.assertEqual(code, 1)
        self.assertRegex(err, r"\Alibp2p: .* UTF-8.*\n\Z")

    async def test_unread(self) -> None:
        """
        If nobody reads what is printed it ends, without a word, as other programs
        do.
        """
        self.write("peers.jsonl", 3000)
        program = self.start(
            *MODULE, "peers", "--peerstore", "sqlite:a.db", "--import", "peers.jsonl",
            "--export",
        )  # fmt: skip
        program.transport.closeStdout()
        self.assertEqual((await program.ends(), program.err), (141, b""))

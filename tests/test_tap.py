# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.tap}: a node as a service of C{twist} and
C{twistd}.
"""

from __future__ import annotations

import contextlib
import os
import random
import re
import select
import socket
from pathlib import Path
from typing import Any

from twisted.application.service import IService
from twisted.internet import reactor
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.internet.protocol import Factory
from twisted.internet.testing import MemoryReactorClock
from twisted.python.usage import UsageError
from twisted.trial.unittest import SynchronousTestCase, TestCase
from twisted.web.client import Agent, readBody
from zope.interface.verify import verifyObject

from tests.calledtools import callTool
from tests.processes import TWIST, TWISTD, Program, ProgramTestCase
from tests.transport.websocket.authority import Authority
from twisted_libp2p.address import Multiaddr
from twisted_libp2p.discovery.bootstrap import Bootstrap
from twisted_libp2p.discovery.mdns.service import MdnsService
from twisted_libp2p.discovery.meeting import DialFound
from twisted_libp2p.discovery.providing import ProviderDiscovery
from twisted_libp2p.discovery.rendezvous.client import RendezvousClient
from twisted_libp2p.discovery.rendezvous.point import RendezvousPoint
from twisted_libp2p.errors import ConfigurationError, DialFailed, Gated
from twisted_libp2p.events import ClosedStream
from twisted_libp2p.identity import Identity
from twisted_libp2p.interfaces import Reachability
from twisted_libp2p.node import Node
from twisted_libp2p.protocols.echo import PROTOCOL_ID as ECHO
from twisted_libp2p.protocols.echo import EchoFactory
from twisted_libp2p.protocols.perf import PROTOCOL_ID as PERF
from twisted_libp2p.quic.transport import QuicTransport
from twisted_libp2p.relay.autorelay import AutoRelay
from twisted_libp2p.tap import KEY_FILE, Options, makeService
from twisted_libp2p.testing.muxer import HalfCloseCollector
from twisted_libp2p.transport.ports import SharedPorts
from twisted_libp2p.transport.proxies import tcpAddress
from twisted_libp2p.transport.websocket.transport import SecureWebSockets

LISTEN = "/ip4/127.0.0.1/tcp/0"
LISTENING = r"listening on (/ip4/127\.0\.0\.1/tcp/\d+/p2p/\w+)"
MIB = 1 << 20


def make(*arguments: str, reactor: Any = None) -> Node:
    """
    Make the service that the arguments ask for; it listens only if they say so.
    """
    options = Options()
    given = {each.partition("=")[0] for each in arguments}
    silent = () if given & {"-l", "--listen", "--no-listen"} else ("--no-listen",)
    options.parseOptions((*silent, *arguments))
    node = makeService(options, reactor or MemoryReactorClock())
    assert isinstance(node, Node)
    return node


def lowPorts(count: int) -> list[int]:
    """
    Find free ports of those on which only root may listen.
    """
    found: list[int] = []
    for number in random.sample(range(600, 1024), 424):
        with contextlib.suppress(OSError), socket.socket() as taken:
            taken.bind(("127.0.0.1", number))
            found.append(number)
        if len(found) == count:
            return found
    raise AssertionError("all ports below 1024 are taken")


class OptionsTests(SynchronousTestCase):
    """
    What the options make of a node.
    """

    def test_defaults(self) -> None:
        """
        Without any option but one there is a node that does not listen, under a name
        by which an application finds it.
        """
        node = make()
        verifyObject(IService, node)
        self.assertEqual(node.name, "libp2p")
        node.startService()
        self.assertEqual(self.successResultOf(node.whenListening()), [])
        self.assertNotIn(ECHO, node.registry.protocols())
        self.assertNotIn(PERF, node.registry.protocols())
        self.successResultOf(node.stopService())

    def test_listening(self) -> None:
        """
        Without an address it listens on the port of libp2p of all interfaces, by TCP
        and, unless that cannot be, by QUIC.
        """
        both = {"/ip4/0.0.0.0/tcp/4001", "/ip4/0.0.0.0/udp/4001/quic-v1"}
        for arguments, found in (
            ((), both),
            (("--share-ports",), {"/ip4/0.0.0.0/tcp/4001"}),
            (("--psk", "swarm.key"), {"/ip4/0.0.0.0/tcp/4001"}),
            (("--no-listen",), set()),
            (("-l", "/ip4/127.0.0.1/tcp/1"), {"/ip4/127.0.0.1/tcp/1"}),
        ):
            options = Options()
            options.parseOptions(arguments)
            listening = {each for each in options.listening() if "/ip6/" not in each}
            self.assertEqual(listening, found)

    def test_listeningNowhere(self) -> None:
        """
        An address to listen on contradicts C{--no-listen}.
        """
        options = Options()
        options.parseOptions(("--no-listen", "-l", "/ip4/127.0.0.1/tcp/1"))
        error = self.assertRaises(ConfigurationError, options.listening)
        self.assertIn("--no-listen", str(error))

    def test_quicBackend(self) -> None:
        """
        The backend of QUIC can be chosen; a wrong name is answered with the right ones.
        """
        node = make("--quic-backend", "aioquic")
        (found,) = (
            each for each in node._transports if isinstance(each, QuicTransport)
        )
        self.assertIn("aioquic 1.7", found.backendName or "")
        error = self.assertRaises(SystemExit, make, "--quic-backend", "quiche")
        self.assertIn("choose from auto, native, aioquic", str(error))

    def test_sharePorts(self) -> None:
        """
        Told so, it listens on ports that others may share.
        """
        self.assertIsInstance(make("--share-ports").reactor, SharedPorts)
        self.assertNotIsInstance(make().reactor, SharedPorts)

    def test_listen(self) -> None:
        """
        It listens wherever it is told to.
        """
        memory: Any = MemoryReactorClock()
        node = make(
            "--listen", "/ip4/127.0.0.1/tcp/4001", "-l", "/ip6/::1/tcp/4002",
            reactor=memory,
        )  # fmt: skip
        self.assertEqual(memory.tcpServers, [])
        node.startService()
        self.assertEqual(
            [(interface, port) for port, _, _, interface in memory.tcpServers],
            [("127.0.0.1", 4001), ("::1", 4002)],
        )
        self.successResultOf(node.stopService())

    def test_announce(self) -> None:
        """
        It states further addresses to peers, each option one; a wrong one ends the
        program.
        """
        announced = [
            "/ip4/192.0.2.1/tcp/4001",
            "/dns4/example.org/tcp/4001",
            f"/ip4/192.0.2.7/tcp/4001/p2p/{Identity.generate().peerID}/p2p-circuit",
        ]
        node = make(*(f"--announce={each}" for each in announced))
        self.assertEqual(
            [str(each.withoutPeer()) for each in node.addresses], announced
        )
        error = self.assertRaises(SystemExit, make, "--announce", "192.0.2.1")
        self.assertIn("192.0.2.1", str(error))

    def test_proxies(self) -> None:
        """
        It believes the proxies that options name; a wrong network ends the program.
        """
        node = make("--trust-proxy", "10.0.0.0/8", "--trust-proxy=192.0.2.1")
        for host, trusted in (("10.1.1.1", True), ("192.0.2.1", True), ("::1", False)):
            self.assertIs(node.proxies.trusts(tcpAddress(host, 1)), trusted)
        error = self.assertRaises(SystemExit, make, "--trust-proxy", "lb.example")
        self.assertIn("'lb.example' is no network", str(error))

    def test_origins(self) -> None:
        """
        It refuses pages of other origins than those that options name, over both kinds
        of WebSockets; an address of a page ends the program.
        """
        node = make("--allow-origin", "https://a.example", "--allow-origin=http://b:80")
        transports: list[Any] = list(node._transports)
        for each in transports:
            if each.name in ("ws", "wss"):
                self.assertEqual(each._origins, ["https://a.example", "http://b:80"])
        for wrong in ("a.example", "https://a.example/", "https://A.example", "*"):
            error = self.assertRaises(SystemExit, make, "--allow-origin", wrong)
            self.assertIn(f"{wrong} is not the origin of a web page", str(error))

    def test_page(self) -> None:
        """
        The page for browsers is served, if it is built.
        """
        folder = Path(self.mktemp())
        options = ("--page=tcp:0", f"--page-files={folder}")
        error = self.assertRaises(SystemExit, make, *options)
        self.assertIn(f"libp2p: there is no index.html in {folder}: build", str(error))
        folder.mkdir()
        (folder / "index.html").touch()
        node = make(*options)
        self.assertIn("page", [each.name for each in node.services])

    def test_privileged(self) -> None:
        """
        It listens before C{twistd} changes its user, once; after a stop it listens
        when it is started.
        """
        memory: Any = MemoryReactorClock()
        node = make(
            "-l", "/ip4/127.0.0.1/tcp/41", "-l", "/ip4/127.0.0.1/tcp/42",
            "--status", "tcp:43",
            reactor=memory,
        )  # fmt: skip
        node.privilegedStartService()
        self.assertEqual([each[0] for each in memory.tcpServers], [43, 41, 42])
        node.startService()
        self.assertEqual(len(memory.tcpServers), 3)
        self.successResultOf(node.whenListening())
        self.assertEqual(len(list(node.listeners)), 2)
        self.successResultOf(node.stopService())
        node.startService()
        self.assertEqual(len(memory.tcpServers), 6)
        self.successResultOf(node.stopService())

    def test_identity(self) -> None:
        """
        It is who a file says, or a file in the folder of its data; it keeps
        being that.
        """
        path, folder = self.mktemp(), self.mktemp()
        named = make("--identity", path).peerID
        self.assertEqual(named, Identity.fromFile(path).peerID)
        self.assertEqual(make("-i", path, "-d", folder).peerID, named)
        kept = make("--data", folder).peerID
        self.assertEqual(kept, Identity.fromFile(os.path.join(folder, KEY_FILE)).peerID)
        self.assertEqual(make("-d", folder).peerID, kept)
        self.assertEqual(os.stat(folder).st_mode & 0o777, 0o700)

    def test_unix(self) -> None:
        """
        Unix sockets have access rights; a wrong one is a line.
        """
        for right in (["--unix-mode", "660"], ["--unix-owner", "7:8"]):
            node = make("--listen", "/unix/run/node.sock", *right)
            self.assertEqual(str(node.listeners.requested[0]), "/unix/run/node.sock")
        for wrong in (["--unix-mode", "999"], ["--unix-owner", "nobody here"]):
            error = self.assertRaises(UsageError, Options().parseOptions, wrong)
            self.assertIn(wrong[0], str(error))

    def test_echo(self) -> None:
        """
        It serves the echo when it is asked to.
        """
        self.assertIn(ECHO, make("--echo").registry.protocols())

    def test_perf(self) -> None:
        """
        It serves perf when it is asked to.
        """
        self.assertIn(PERF, make("--perf").registry.protocols())

    def test_serve(self) -> None:
        """
        It forwards whatever it is told to.
        """
        node = make("--serve", "/a=tcp:localhost:80", "-s", "/b=unix:/run/b")
        self.assertLess({"/a", "/b"}, set(node.registry.protocols()))

    def test_lists(self) -> None:
        """
        Securities and muxers are lists, in order of preference.
        """
        for muxers, agreed in (("mplex", "/mplex/6.7.0"), ("yamux,mplex", "/yamux")):
            server = make("--muxer", muxers, "--security", "noise")
            self.assertTrue(next(iter(server._upgrader.muxers)).startswith(agreed))

    def test_help(self) -> None:
        """
        The help names each option, and what there is to choose from.
        """
        told = str(Options())
        for word in ("--listen", "--serve", "--identity", "noise", "yamux", "auto"):
            self.assertIn(word, told)
        for name in dir(Options):
            if name.startswith("opt_"):
                # The help has the text as it is, with all blanks between its lines.
                text = getattr(Options, name).__doc__.strip()
                self.assertNotIn("\n", text, name)

    def test_numbers(self) -> None:
        """
        What has to be a number and is none is told as such.
        """
        for option in ("--low-water", "--high-water", "--max-connections"):
            for value in ("x", "-1", "1.5"):
                error = self.assertRaises(UsageError, make, option, value)
                self.assertIn(f"{value!r} is not a whole number from 0 up", str(error))

    def test_unknown(self) -> None:
        """
        An option that does not exist is refused by the parser already.
        """
        with self.assertRaises(UsageError):
            make("--lsten", LISTEN)


class ServiceOptionsTests(SynchronousTestCase):
    """
    Options of the services.
    """

    def test_marks(self) -> None:
        """
        Water marks and caps reach the connection manager.
        """
        node = make("--low-water", "5", "--high-water", "9", "--max-connections", "50")
        policy = node.connections.policy
        self.assertEqual((policy.lowWater, policy.highWater), (5, 9))
        self.assertEqual(node.connections.limiter.limits.system.connections, 50)
        policy = make("--max-connections", "60").connections.policy
        self.assertEqual((policy.lowWater, policy.highWater), (50, 60))

    def test_gater(self) -> None:
        """
        Who is blocked, or not allowed, is not dialed.
        """
        for options in (
            ("--block", "192.0.2.0/24"),
            ("--allow", "198.51.100.7"),
        ):
            node = make(*options)
            dialing = node.connect("/ip4/192.0.2.1/tcp/1")
            error = self.failureResultOf(dialing, DialFailed).value
            self.assertIsInstance(error.causes[0][1], Gated)

    def test_bootstrap(self) -> None:
        """
        A bootstrap peer is known, and protected.
        """
        peer = Identity.generate().peerID
        node = make("--bootstrap", f"/ip4/192.0.2.1/tcp/1/p2p/{peer}")
        self.assertEqual(
            node.peerstore.addresses(peer), [Multiaddr("/ip4/192.0.2.1/tcp/1")]
        )
        self.assertTrue(node.connections.tags.protected(peer))

    def test_reaching(self) -> None:
        """
        A node maps ports, is a relay, and is reached through one, if it is asked to.
        """
        names = {"portmapping", "relay", "autorelay"}
        self.assertFalse(names & {each.name for each in make().services})
        peer = Identity.generate().peerID
        relay = f"/ip4/192.0.2.1/tcp/1/p2p/{peer}"
        node = make("--port-mapping", "--relay-service", "--relay", relay)
        self.assertLessEqual(names, {each.name for each in node.services})
        self.assertEqual(make("--relay", "auto").service(AutoRelay).relays, [])
        with self.assertRaises(SystemExit) as caught:
            make("--relay", "auto", "--relay", relay)
        self.assertIn("--relay auto chooses relays", str(caught.exception))

    def test_autoTLS(self) -> None:
        """
        AutoTLS is off unless it is asked for.  It listens for secure WebSockets on the
        ports of TCP, unless the user has named some.
        """
        self.assertNotIn("autotls", {each.name for each in make().services})
        data = ("--autotls", "--data", self.mktemp())
        tcp = "/ip4/127.0.0.1/tcp/0"
        for listen, wanted in (
            ([tcp], [tcp, f"{tcp}/tls/ws"]),
            ([tcp, "/ip6/::1/tcp/0/wss"], [tcp, "/ip6/::1/tcp/0/wss"]),
            (["/ip4/127.0.0.1/tcp/0/ws"], ["/ip4/127.0.0.1/tcp/0/ws"]),
        ):
            named = [word for each in listen for word in ("--listen", each)]
            node = make(*data, *named)
            self.assertIn("autotls", {each.name for each in node.services})
            self.assertEqual([*map(str, node.listeners.requested)], wanted)
        for options, said in (
            (("--autotls",), "--autotls needs --data FOLDER"),
            ((*data, "--share-ports"), "leave out --share-ports"),
            ((*data, "--tls-certificate", "x.pem"), "leave out --tls-certificate"),
            ((*data, "--dial-through", "socks5://127.0.0.1:1"), "--dial-through"),
            ((*data, "--autotls-broker", "http://b"), "'http://b' is not a URL"),
        ):
            with self.assertRaises(SystemExit) as caught:
                make(*options)
            self.assertIn(said, str(caught.exception))

    def test_reachability(self) -> None:
        """
        A node finds out whether it can be dialed, unless it is told not to.
        """
        self.assertEqual(make().reachability.state, Reachability.UNKNOWN)
        node = make("--no-reachability")
        self.assertNotIn("reachability", {each.name for each in node.services})

    def test_discoveries(self) -> None:
        """
        Each way to find peers is a service of its own.
        """
        node = make("--mdns-interface", "eth0", "--dial-found", "5")
        self.assertIsInstance(node.service(MdnsService), MdnsService)
        self.assertEqual(node.service(DialFound).connections, 5)
        node = make("--bootstrap", "public")
        self.assertEqual(len(node.service(Bootstrap).states()), 6)
        self.assertRaises(ConfigurationError, node.service, MdnsService)
        point = f"/ip4/192.0.2.1/tcp/1/p2p/{Identity.generate().peerID}"
        node = make(
            *("--rendezvous-service", "--rendezvous", point, "--namespace", "chess"),
            *("--routing-url", "http://127.0.0.1:8190"),
        )
        self.assertEqual(len(node.routing), 1)
        self.assertEqual(node.service(RendezvousClient).namespaces, ["chess"])
        self.assertEqual(node.service(RendezvousPoint).registrations, 0)
        node = make("--dht", "client", "--dht-prefix", "/a", "--namespace", "chess")
        self.assertEqual(node.service(ProviderDiscovery).namespaces, ["chess"])

    def test_refused(self) -> None:
        """
        Values that make no sense are one line each.
        """
        for options, word in (
            (("--low-water", "9", "--high-water", "5"), "low water mark"),
            (("--block", "nobody"), "nobody"),
            (("--bootstrap", "/ip4/192.0.2.1/tcp/1"), "/p2p/"),
            (("--bootstrap", "nowhere"), "--bootstrap nowhere: it is neither"),
            (("--rendezvous", "/ip4/192.0.2.1/tcp/1"), "--namespace"),
            (("--namespace", "chess"), "--rendezvous"),
            (("--routing-url", "http://example.com"), "https"),
            (("--rendezvous", "x", "--namespace", "y"), "rendezvous point x: "),
            (("--peerstore", "mysql:x"), "sqlite:"),
            (("--peerstore-limit", "5"), "--peerstore sqlite:PATH"),
        ):
            error = self.assertRaises(SystemExit, make, *options)
            self.assertIn(word, str(error))
            self.assertNotIn("\n", str(error))
        self.assertRaises(UsageError, make, "--peerstore-limit", "0")


class BadValueTests(SynchronousTestCase):
    """
    A value that cannot be used ends the program with one clear line.
    """

    def refused(self, *arguments: str) -> str:
        """
        Give the line that these arguments lead to.
        """
        with self.assertRaises(SystemExit) as caught:
            make(*arguments).startService()
        line = caught.exception.code
        assert isinstance(line, str)
        self.assertNotIn("\n", line)
        self.assertEqual(line[:8], "libp2p: ")
        return line

    def test_names(self) -> None:
        """
        A name that does not exist is told together with those that do.
        """
        self.assertIn("noise", self.refused("--security", "noise,rot13"))
        self.assertIn("yamux", self.refused("--muxer", "spdy"))
        self.assertIn("multistream", self.refused("--dialect", "latin"))

    def test_addresses(self) -> None:
        """
        So is an address that is none, is another peer's, or cannot be
        listened on.
        """
        peer = Identity.generate().peerID
        for address in (
            "localhost:4001",
            "/ip4/127.0.0.1/tcp/70000",
            "/ip4/127.0.0.1/udp/4001",
            "/dns4/localhost/tcp/4001",
            f"{LISTEN}/p2p/{peer}",
        ):
            self.assertIn(address, self.refused("--listen", address))

    def test_endpoints(self) -> None:
        """
        So is an endpoint that is none, a protocol without one, or one that is
        served already.
        """
        for value in (
            "/a",
            "/a=",
            "=tcp:localhost:80",
            "/a=nonsense:1",
            "/a=tcp:localhost",
            "/a=tcp:localhost:http",
            "/a=tls:localhost:1:trustRoots=/none",
            "/a=libp2p:/ip4/127.0.0.1/tcp/4001",
            "/a=\\",
        ):
            self.assertIn(f"--serve {value}: ", self.refused("--serve", value))
        self.assertIn(
            ECHO, self.refused("--echo", "--serve", f"{ECHO}=tcp:localhost:7")
        )

    def test_files(self) -> None:
        """
        So is a file that holds no key, or cannot be made.
        """
        garbage = self.mktemp()
        with open(garbage, "w") as file:
            file.write("garbage")
        for path in (garbage, f"{garbage}/key", f"{self.mktemp()}/none/key"):
            self.assertIn(path, self.refused("--identity", path))
        self.assertIn(garbage, self.refused("--data", garbage))


class PortTests(TestCase):
    """
    On a real port.
    """

    async def test_inUse(self) -> None:
        """
        A port that somebody else listens on is told, and let alone.
        """
        with socket.create_server(("127.0.0.1", 0)) as taken:
            number = taken.getsockname()[1]
            node = make("-l", f"/ip4/127.0.0.1/tcp/{number}", reactor=reactor)
            with self.assertRaises(SystemExit) as caught:
                node.startService()
            self.assertIn(f"127.0.0.1:{number}", str(caught.exception.code))
            await node.stopService()

    async def test_forward(self) -> None:
        """
        What is forwarded reaches a TCP server, and comes back; both halves
        may be closed one after the other.
        """
        endpoint = TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1")
        target: Any = await endpoint.listen(EchoFactory())
        self.addCleanup(target.stopListening)
        number = target.getHost().port
        server = make(
            "-l", LISTEN, "-s", f"/tcp-echo=tcp:127.0.0.1:{number}", reactor=reactor
        )
        client = make(reactor=reactor)
        for node in (server, client):
            node.startService()
            self.addCleanup(node.stopService)
        (address,) = await server.whenListening()
        caller: Any = await client.connector(address, "/tcp-echo").connect(
            Factory.forProtocol(HalfCloseCollector)
        )
        ended = client.events.next(
            ClosedStream, lambda event: event.stream is caller.transport
        )
        content = os.urandom(MIB)
        caller.transport.write(content)
        caller.transport.loseWriteConnection()
        await ended
        self.assertEqual(len(caller.data), MIB)
        self.assertEqual(caller.data, content)
        self.assertEqual(caller.ends, ["write", "read"])


class ProgramTests(ProgramTestCase):
    """
    The real programs.
    """

    async def ready(self, program: Program) -> str:
        """
        Wait until a program says that it listens, and give its address.

        It is pinged: until its reactor runs, a signal would just kill it.
        """
        address = await program.says(LISTENING)
        client = Node(reactor)
        await client.ping(address)
        await client.stopService()
        return address

    async def test_twist(self) -> None:
        """
        C{twist} tells the full address and ends cleanly; the second start is
        the same peer.  Its log is text without the names of classes of ports.
        """
        arguments = (*TWIST, "libp2p", "-l", LISTEN, "-d", "data")
        peers = []
        for _ in range(2):
            program = self.start(*arguments)
            address = await self.ready(program)
            peers.append(address.rpartition("/")[2])
            # That the signal is what ends a twist program is its own wish.
            self.assertIn(await program.stop(), (0, -15))
            self.assertIn(b"Main loop terminated", program.out + program.err)
            for text in (b"Traceback", b"starting on", b"Closed", b"Starting reactor"):
                self.assertNotIn(text, program.out + program.err)
        self.assertEqual(peers[0], peers[1])

    async def test_twistd(self) -> None:
        """
        So does C{twistd}.
        """
        program = self.start(*TWISTD, "-n", "libp2p", "-l", LISTEN, "--echo")
        await self.ready(program)
        self.assertIn(await program.stop("INT"), (0, -2))
        self.assertIn(b"Server Shut Down", program.out)
        self.assertNotIn(b"Traceback", program.out + program.err)

    async def test_bad(self) -> None:
        """
        A bad value is one line on stderr, of both.
        """
        for arguments in ((*TWIST, "libp2p"), (*TWISTD, "-n", "libp2p")):
            code, _, err = await self.execute(*arguments, "-l", "/ip4/127.0.0.1/udp/1")
            self.assertEqual(code, 1)
            self.assertEqual(err.count("\n"), 1)
            self.assertIn("libp2p: no transport of this node", err)

    async def test_weak(self) -> None:
        """
        SECIO, plaintext and private networks between two processes: with the
        same options a tool gets in, without them it does not.
        """
        key = self.folder / "swarm.key"
        key.write_text("/key/swarm/psk/1.0.0/\n/base16/\n" + "a5" * 32 + "\n")
        for options, told in (
            (("--security", "secio"), "/secio/1.0.0"),
            (("--security", "insecure-plaintext"), "/plaintext/2.0.0"),
            (("--psk", str(key)), "/noise"),
        ):
            program = self.start(*TWISTD, "-n", "libp2p", "-l", LISTEN, *options)
            address = await program.says(LISTENING)
            lines = await callTool("identify", *options, address)
            self.assertIn(told, "\n".join(lines))
            with self.assertRaisesRegex(DialFailed, "cannot dial"):
                await callTool("identify", address)
            await program.stop("INT")

    async def test_insecurePlaintext(self) -> None:
        """
        A node that would speak unprotected too speaks better with whom it can.
        """
        program = self.start(
            *TWISTD, "-n", "libp2p", "-l", LISTEN, "--insecure-plaintext"
        )
        address = await program.says(LISTENING)
        for options, told in (
            (("--insecure-plaintext",), "/noise"),
            (("--security", "insecure-plaintext"), "/plaintext/2.0.0"),
        ):
            lines = await callTool("identify", *options, address)
            self.assertIn(told, "\n".join(lines))
        await program.stop("INT")

    async def test_peerstore(self) -> None:
        """
        A node that is started again connects to the peer that it knew, by its
        peerstore alone; C{peers} lists, exports and imports what is kept.
        """
        one = self.start(*TWISTD, "-n", "--pidfile=", "libp2p", "-l", LISTEN, "-d", "1")
        address = await self.ready(one)
        peer = address.rpartition("/")[2]
        other = self.start(
            *TWISTD,
            "-n",
            "--pidfile=",
            "libp2p",
            "--peerstore",
            "sqlite:peers.db",
            "--bootstrap",
            address,
            "-l",
            LISTEN,
        )
        await self.ready(other)
        await other.stop("INT")
        kept = ("--peerstore", f"sqlite:{self.folder / 'peers.db'}")
        shown = await callTool("peers", *kept)
        self.assertIn(f"{peer} {address.rpartition('/p2p/')[0]}", "\n".join(shown))
        lines = await callTool("peers", *kept, "--export")
        file = self.folder / "peers.jsonl"
        file.write_text("\n".join(lines))
        copy = ("--peerstore", f"sqlite:{self.folder / 'copy.db'}")
        shown = await callTool("peers", *copy, "--import", str(file))
        self.assertIn(peer, "\n".join(shown))
        await one.stop("INT")
        with self.assertRaisesRegex(ConfigurationError, "--peerstore"):
            await callTool("peers")

    async def test_pages(self) -> None:
        """
        The status page and the metrics are served beside, on loopback.
        """
        program = self.start(
            *TWISTD,
            "-n",
            "--pidfile=",
            "libp2p",
            "-l",
            LISTEN,
            "--status",
            "tcp:0",
            "--metrics",
            "tcp:0",
        )
        await self.ready(program)
        said = (program.out + program.err).decode()
        ports = re.findall(r"on http://127\.0\.0\.1:(\d+)/", said)
        self.assertEqual(len(ports), 2, said)
        agent = Agent(reactor)
        for port, path, word in (
            (ports[0], "/snapshot", b"twisted_libp2p/"),
            (ports[1], "/metrics", b"libp2p_swarm_connections_opened_total"),
        ):
            url = f"http://127.0.0.1:{port}{path}".encode("ascii")
            response = await agent.request(b"GET", url)
            self.assertIn(word, await readBody(response))
        await program.stop("INT")


class StartTests(ProgramTestCase):
    """
    How C{twistd} starts a node, or does not.
    """

    def daemon(self, *arguments: str) -> tuple[str, ...]:
        """
        Give the arguments of a daemon, whose files are in the folder.
        """
        return (*TWISTD, "--logfile=log", "--pidfile=pid", *arguments)

    def assertStopped(self, code: int, out: str, err: str, number: int) -> None:
        """
        It has ended with status 1 and one line that names the port, and has left
        no pid file.
        """
        self.assertEqual(code, 1, err)
        self.assertIn(str(number), err)
        self.assertNotIn("Traceback", err)
        self.awaitDaemon()
        self.assertFalse((self.folder / "pid").exists())

    def awaitDaemon(self) -> None:
        """
        Wait for the end of a daemon: C{twistd} ends as soon as the daemon has
        reported why it cannot start, and only then does the daemon remove its files.
        """
        with contextlib.suppress(FileNotFoundError, ValueError, ProcessLookupError):
            handle = os.pidfd_open(int((self.folder / "pid").read_text()))
            try:
                select.select([handle], [], [], self.timeout)
            finally:
                os.close(handle)

    async def test_taken(self) -> None:
        """
        If a port is taken, of the node or of a page, C{twistd} ends with status 1
        and one line, in the foreground and as a daemon.
        """
        with socket.create_server(("127.0.0.1", 0)) as taken:
            number = taken.getsockname()[1]
            for options in (
                ("--listen", f"/ip4/127.0.0.1/tcp/{number}"),
                ("--listen", LISTEN, "--status", f"tcp:{number}"),
                ("--no-listen", "--metrics", f"tcp:{number}"),
            ):
                found = await self.execute(*self.daemon("-n", "libp2p", *options))
                self.assertStopped(*found, number)
                self.assertEqual(found[2].count("\n"), 1, found[2])
                self.assertIn("libp2p: Couldn't listen on", found[2])
                self.assertIn("Another program has this port", found[2])
                found = await self.execute(*self.daemon("libp2p", *options))
                self.assertStopped(*found, number)
                log = (self.folder / "log").read_text()
                self.assertIn("libp2p: Couldn't listen on", log)

    async def test_application(self) -> None:
        """
        So does an application of the user's with a node, or a page of a node,
        whose port is taken.
        """
        with socket.create_server(("127.0.0.1", 0)) as taken:
            number = taken.getsockname()[1]
            for listen, status in (
                (f"/ip4/127.0.0.1/tcp/{number}", "tcp:0"),
                (LISTEN, f"tcp:{number}"),
            ):
                (self.folder / "app.tac").write_text(
                    "from twisted.application.service import Application\n"
                    "from twisted.internet import reactor\n"
                    "from twisted_libp2p import Node\n"
                    "from twisted_libp2p.status import serveStatus\n"
                    "application = Application('app')\n"
                    f"node = Node(reactor, listen=[{listen!r}])\n"
                    f"serveStatus(reactor, node, {status!r})\n"
                    "node.setServiceParent(application)\n"
                )
                code, _, _ = await self.execute(*self.daemon("-ny", "app.tac"))
                self.assertEqual(code, 1)
                log = (self.folder / "log").read_text()
                self.assertIn(f"Couldn't listen on 127.0.0.1:{number}", log)
                (self.folder / "log").unlink()
                self.assertFalse((self.folder / "pid").exists())

    async def test_user(self) -> None:
        """
        With C{--uid} it listens as root, and all of its files belong to the user as
        whom it runs, and are used by him at the second start.
        """
        self.openFolder()
        # The user need not be able to read this Python.
        preload = "import encodings.idna, sqlite3, twisted.enterprise.adbapi; "
        twistd = (TWISTD[0], preload + TWISTD[1])
        port, other = (str(each) for each in lowPorts(2))
        for place in ("new/data", "new/data"):
            program = self.start(
                *twistd, "-n", "--pidfile=", "--uid=65534", "--gid=65533",
                "libp2p", "--listen", f"/ip4/127.0.0.1/tcp/{port}", "--data", place,
                "--listen", f"/ip4/127.0.0.1/tcp/{port}/ws",
                "--listen", f"/ip4/127.0.0.1/tcp/{other}/ws",
                "--peerstore", f"sqlite:{place}/peers.db",
            )  # fmt: skip
            for kind in (port, f"{port}/ws", f"{other}/ws"):
                await program.says(rf"(listening on /ip4/127.0.0.1/tcp/{kind}/p2p)")
            await program.says(r"(set uid/gid 65534/65533)")
            found = await self.wait(program)
            self.assertNotIn("Traceback", found)
            self.assertNotIn("peerstore sqlite", found)
            for name in ("new", "new/data", "new/data/node.key", "new/data/peers.db"):
                status = (self.folder / name).stat()
                self.assertEqual((status.st_uid, status.st_gid), (65534, 65533), name)
        self.assertEqual((self.folder / "new/data").stat().st_mode & 0o777, 0o700)

    async def test_hangup(self) -> None:
        """
        After a C{SIGHUP} it reads the certificate again; if that cannot be used, it
        says so in one line, and goes on with the one before.
        """
        authority = Authority(self.folder)
        path = authority.server("127.0.0.1")
        program = self.start(
            *TWISTD, "-n", "--pidfile=",
            "libp2p", "--listen", "/ip4/127.0.0.1/tcp/0/tls/ws",
            "--tls-certificate", str(path),
        )  # fmt: skip
        address = await program.says(r"listening on (/ip4/\S+/tls/ws/p2p/\w+)")
        program.transport.signalProcess("HUP")
        await program.says(r"(certificate in \S+ was read again)")
        path.write_text("")
        program.transport.signalProcess("HUP")
        await program.says(r"(the certificate stays as it was: \S+)")
        client = Node(reactor, transports=[SecureWebSockets(authority.roots), "tcp"])
        await client.ping(address)
        await client.stopService()
        await program.stop("INT")

    def openFolder(self) -> None:
        """
        Let every user get to the folder.
        """
        self.folder.chmod(0o755)
        self.folder.parent.chmod(0o755)
        self.folder.parent.parent.chmod(0o755)

    async def wait(self, program: Program) -> str:
        """
        Stop a program when its reactor runs and its peerstore is open.

        @return: all that it has said.
        """
        said = (program.out + program.err).decode()
        found = re.findall(r"listening on (/ip\S+)", said)
        self.assertEqual(len(found), 3)
        for address in found:
            client = Node(reactor)
            await client.ping(address)
            await client.stopService()
        await program.stop("INT")
        return (program.out + program.err).decode()

    async def test_userCannot(self) -> None:
        """
        A database that this user cannot make is one line.
        """
        self.openFolder()
        code, _, err = await self.execute(
            *TWISTD, "-n", "--pidfile=", "--uid=65534", "--gid=65533",
            "libp2p", "--no-listen", "--peerstore", "sqlite:peers.db",
        )  # fmt: skip
        self.assertEqual((code, err.count("\n")), (1, 1), err)
        self.assertIn("peers.db: Permission denied", err)

    if os.name != "posix" or os.geteuid() != 0:
        test_user.skip = test_userCannot.skip = "only root may change its user"  # type: ignore[attr-defined]

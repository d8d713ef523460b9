# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for plugins: of how they are found, and of the worked example, which is
found like any other.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

import twisted.plugins
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import Clock
from twisted.python.reflect import namedAny
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from tests.processes import ROOT, TWIST, ProgramTestCase
from twisted_libp2p import Node
from twisted_libp2p.errors import (
    ConfigurationError,
    HandshakeFailed,
    LimitExceeded,
    ProtocolViolation,
)
from twisted_libp2p.identity import Identity
from twisted_libp2p.interfaces import (
    Handshake,
    IMuxedTransport,
    IMuxer,
    IMuxerProvider,
    IProvider,
    ISecurity,
    ISecurityProvider,
    ITransport,
    ITransportProvider,
    Role,
)
from twisted_libp2p.plugin import MuxerProvider, provide, providers
from twisted_libp2p.protocols import echo
from twisted_libp2p.testing import (
    HostDouble,
    MemoryNodes,
    MuxerConformance,
    SecurityConformance,
)
from twisted_libp2p.testing.muxer import Collector, HalfCloseCollector, MuxerPair

EXAMPLE = ROOT / "examples" / "plugins"

#: The frame of C{/bundle/1.0.0}: a stream, a kind, a number.
START, DATA, CREDIT, END, RESET = range(5)


def frame(streamID: int, kind: int, number: int = 0, body: bytes = b"") -> bytes:
    """
    Make a frame of the example's muxer.
    """
    return streamID.to_bytes(4) + bytes([kind]) + number.to_bytes(4) + body


class Site:
    """
    A folder in which packages are installed, as long as a test runs.

    @ivar folder: where the packages are.
    """

    def __init__(self, test: SynchronousTestCase) -> None:
        """
        Make the folder, and have Python and Twisted look into it.
        """
        self.folder = Path(test.mktemp()).absolute()
        self._dropins = self.folder / "twisted" / "plugins"
        self._dropins.mkdir(parents=True)
        test.patch(sys, "path", [str(self.folder), *sys.path])
        test.patch(
            twisted.plugins,
            "__path__",
            [str(self._dropins), *twisted.plugins.__path__],
        )
        providers.cache_clear()
        test.addCleanup(self._forget)

    def _forget(self) -> None:
        providers.cache_clear()
        for name, module in list(sys.modules.items()):
            if str(self.folder) in (getattr(module, "__file__", None) or ""):
                del sys.modules[name]
                parent, _, child = name.rpartition(".")
                if parent in sys.modules:
                    delattr(sys.modules[parent], child)

    def installExample(self) -> None:
        """
        Install the worked example: a copy of it, which may be littered.
        """
        ignored = shutil.ignore_patterns("__pycache__", "dropin.cache")
        shutil.copytree(EXAMPLE, self.folder, ignore=ignored, dirs_exist_ok=True)

    def drop(self, name: str, source: str) -> None:
        """
        Drop a file into C{twisted/plugins}.
        """
        (self._dropins / f"{name}.py").write_text(source)


class InstalledTestCase(SynchronousTestCase):
    """
    Tests for the worked example, when it is installed.
    """

    def setUp(self) -> None:
        """
        Install it.
        """
        super().setUp()
        Site(self).installExample()


class ProviderTests(SynchronousTestCase):
    """
    Tests for L{providers} and L{provide}.
    """

    def setUp(self) -> None:
        """
        Have a place to install to.
        """
        self.site = Site(self)

    def test_own(self) -> None:
        """
        What the package brings comes by the same way, and provides what it
        says.
        """
        kinds: tuple[tuple[type[IProvider], Any], ...] = (
            (ISecurityProvider, ISecurity),
            (IMuxerProvider, IMuxer),
            (ITransportProvider, ITransport),
        )
        for kind, provided in kinds:
            found = providers(kind)
            self.assertNotEqual(found, {})
            for name, provider in found.items():
                verifyObject(kind, provider)
                self.assertEqual(provider.name, name)
                layer = provide(kind, name, HostDouble())
                native = IMuxedTransport.providedBy(layer)
                verifyObject(IMuxedTransport if native else provided, layer)

    def test_found(self) -> None:
        """
        A file that is dropped into C{twisted/plugins} is all it takes; what
        it names is not imported before it is used.
        """
        before = list(providers(ISecurityProvider))
        providers.cache_clear()
        self.site.installExample()
        found = providers(ISecurityProvider)
        self.assertEqual(list(found), sorted([*before, "lantern"]))
        self.assertIn("bundle", providers(IMuxerProvider))
        self.assertIn("example", found["lantern"].description)
        self.assertNotIn("lantern", sys.modules)
        security = provide(ISecurityProvider, "lantern", HostDouble())
        self.assertEqual(security.protocolID, "/lantern/1.0.0")

    def test_unknown(self) -> None:
        """
        A name that nobody has is answered by those that there are.
        """
        self.site.installExample()
        for options, known in (
            ({"security": ["lamp"]}, providers(ISecurityProvider)),
            ({"muxers": ["lamp"]}, providers(IMuxerProvider)),
        ):
            error = self.assertRaises(ConfigurationError, Node, Clock(), **options)
            self.assertIn("'lamp'", str(error))
            self.assertIn(", ".join(known), str(error))

    def test_sameName(self) -> None:
        """
        Of two plugins with the same name none is taken, and both are named.
        """
        self.site.installExample()
        self.site.drop(
            "other_plugins",
            "from twisted_libp2p.plugin import SecurityProvider\n"
            "x = SecurityProvider('lantern', 'other.Lantern', 'another')\n",
        )
        error = self.assertRaises(ConfigurationError, providers, ISecurityProvider)
        self.assertIn("'lantern.security.Lantern'", str(error))
        self.assertIn("'other.Lantern'", str(error))

    def test_twice(self) -> None:
        """
        To name the same twice is no quarrel.
        """
        self.site.installExample()
        self.site.drop(
            "other_plugins",
            "from twisted.plugins.lantern_plugins import bundle, lantern\n",
        )
        self.assertIn("lantern", providers(ISecurityProvider))

    def test_brokenFile(self) -> None:
        """
        A file that cannot be imported is logged, and harms no other plugin.
        """
        self.site.installExample()
        self.site.drop("broken_plugins", "raise ZeroDivisionError\n")
        self.assertIn("lantern", providers(ISecurityProvider))
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_brokenPlugin(self) -> None:
        """
        What cannot be imported is told to whoever names it, in one line with
        the reason, and to nobody else.
        """
        self.site.drop(
            "broken_plugins",
            "from twisted_libp2p.plugin import MuxerProvider\n"
            "gone = MuxerProvider('gone', 'gone_package.Gone', 'not there')\n"
            "dull = MuxerProvider('dull', 'dull_module.Dull', 'raises')\n",
        )
        dull = self.site.folder / "dull_module.py"
        dull.write_text("import a_missing_requirement\n")
        for name, reason in (
            ("gone", "gone_package"),
            ("dull", "a_missing_requirement"),
        ):
            error = self.assertRaises(
                ConfigurationError, Node, Clock(), muxers=["yamux", name]
            )
            self.assertIn(name, str(error))
            self.assertIn(reason, str(error))
            self.assertEqual(len(str(error).splitlines()), 1)
        provide(IMuxerProvider, "yamux", HostDouble())

    def test_raises(self) -> None:
        """
        An error that is no import's is not taken for one.
        """
        broken = MuxerProvider("broken", f"{__name__}.misconfigured", "")
        self.assertRaises(ZeroDivisionError, broken.provide, HostDouble())


def misconfigured(reactor: Clock) -> None:
    """
    Provide nothing.
    """
    raise ZeroDivisionError


class Guest(Protocol):
    """
    Says something.

    @ivar answered: fires with the answer.
    """

    transport: Any

    def __init__(self) -> None:
        self.answered: Deferred[bytes] = Deferred()

    def connectionMade(self) -> None:
        """
        Say it.
        """
        self.transport.write(b"hello")

    def dataReceived(self, data: bytes) -> None:
        """
        Hand it on.
        """
        self.answered.callback(data)


class GuestFactory(Factory):
    """
    Builds L{Guest}s.
    """

    noisy = False
    protocol = Guest


class ExampleNodeTests(InstalledTestCase):
    """
    Nodes that are told the names of the example's plugins speak these.
    """

    def setUp(self) -> None:
        """
        Have a network.
        """
        super().setUp()
        self.nodes = MemoryNodes()
        self.addCleanup(self.nodes.stop)

    def test_echo(self) -> None:
        """
        Two nodes with the same plugins serve each other, in either dialect.
        """
        server = self.nodes.start(security=["lantern"], muxers=["bundle"])
        server.registry.register(echo.PROTOCOL_ID, echo.EchoFactory())
        for dialect in ("multistream", "bootstrap"):
            client = self.nodes.start(
                security=["lantern"], muxers=["bundle"], dialect=dialect
            )
            near, far = self.nodes.connect(client, server)
            guest: Any = self.nodes.result(
                client.connector(server.peerID, echo.PROTOCOL_ID).connect(
                    GuestFactory()
                )
            )
            self.assertEqual(self.nodes.result(guest.answered), b"hello")
            for connection in (near, far):
                self.assertEqual(connection.security, "/lantern/1.0.0")
                self.assertEqual(connection.muxer, "/bundle/1.0.0")

    def test_fallBack(self) -> None:
        """
        A node that prefers them still speaks to those that know neither.
        """
        server = self.nodes.start()
        client = self.nodes.start(
            security=["lantern", "noise"], muxers=["bundle", "yamux"]
        )
        near, _ = self.nodes.connect(client, server)
        self.assertEqual(near.security, "/noise")
        self.assertEqual(near.muxer, "/yamux/1.0.0")


class LanternConformanceTests(SecurityConformance, InstalledTestCase):
    """
    The example's security is a security protocol.
    """

    def security(self) -> ISecurity:
        """
        Find it as nodes do.
        """
        security: ISecurity = provide(
            ISecurityProvider, "lantern", HostDouble(self.clock)
        )
        return security


class LanternTests(InstalledTestCase):
    """
    What the example's security refuses.
    """

    def setUp(self) -> None:
        """
        Find the handshake.
        """
        super().setUp()
        self.handshake: Any = namedAny("lantern.security.LanternHandshake")

    def machine(self, initiator: bool) -> Any:
        """
        Make one side of a handshake.
        """
        ours = Handshake(
            Identity.generate(),
            Role.CLIENT if initiator else Role.SERVER,
            None,
            (),
            self.fail,
        )
        return self.handshake(ours)

    def test_lowOrder(self) -> None:
        """
        A public key with which every exchange gives the same is refused.
        """
        machine = self.machine(True)
        machine.start()
        error = self.assertRaises(HandshakeFailed, machine.receive, bytes(32))
        self.assertEqual(error.layer, "/lantern/1.0.0")

    def test_reflected(self) -> None:
        """
        A side that hears itself takes nobody for its peer.
        """
        machine = self.machine(True)
        answer = machine.receive(machine.start())
        self.assertRaises(HandshakeFailed, machine.receive, answer)
        self.assertIsNone(machine.secured)

    def test_sameRole(self) -> None:
        """
        Two sides of the same role do not come together.
        """
        one, other = self.machine(False), self.machine(False)
        answer = one.receive(other.start())
        other.receive(one.start())
        self.assertRaises(HandshakeFailed, other.receive, answer)

    def test_tooLong(self) -> None:
        """
        The length of an envelope is refused before its bytes are awaited.
        """
        machine = self.machine(False)
        machine.receive(self.machine(True).start())
        self.assertRaises(HandshakeFailed, machine.receive, b"\xff\xff")

    def test_otherExchange(self) -> None:
        """
        An envelope that was signed for another exchange is refused, though it
        comes in the right box.
        """
        one, other = self.machine(True), self.machine(False)
        answer = one.receive(other.start())
        other.receive(one.start())
        other._hellos = bytes(64)
        error = self.assertRaises(HandshakeFailed, other.receive, answer)
        self.assertIn("another exchange", str(error))


class BundleConformanceTests(MuxerConformance, InstalledTestCase):
    """
    The example's muxer is a muxer.
    """

    # It has no message that announces the end of a session.
    announces = False

    def muxer(self, clock: Clock) -> IMuxer:
        """
        Find it as nodes do.
        """
        muxer: IMuxer = provide(IMuxerProvider, "bundle", HostDouble(clock))
        return muxer


class BundleTests(InstalledTestCase):
    """
    What the example's muxer refuses.
    """

    def setUp(self) -> None:
        """
        Connect two sessions.
        """
        super().setUp()
        clock = Clock()
        muxer: IMuxer = provide(IMuxerProvider, "bundle", HostDouble(clock))
        self.pair = MuxerPair(muxer, muxer, clock)

    def send(self, data: bytes) -> Any:
        """
        Let the listener receive this from the dialer.

        @return: why the session ended; None if it did not.
        """
        self.pair.pump.server.protocol.dataReceived(data)
        self.pair.pump.flush()
        lost = self.pair.server.lost
        return lost[0].value if lost else None

    def assertRefused(self, data: bytes) -> None:
        """
        Check that the session ends, as it says why.
        """
        error = self.send(data)
        self.assertIsInstance(error, ProtocolViolation)
        self.assertEqual(error.layer, "/bundle/1.0.0")

    def test_kind(self) -> None:
        """
        There are five kinds of frames.
        """
        self.assertRefused(frame(1, 5))

    def test_tooLong(self) -> None:
        """
        The size of a body is refused before its bytes are awaited.
        """
        self.assertRefused(frame(1, START) + frame(1, DATA, 70_000))

    def test_parity(self) -> None:
        """
        No side opens streams with ids of the other.
        """
        self.assertRefused(frame(2, START))

    def test_openedTwice(self) -> None:
        """
        A stream is opened once.
        """
        self.assertRefused(frame(1, START) * 2)

    def test_window(self) -> None:
        """
        A peer that sends more than it was allowed to is at fault, even if it
        keeps to the size of frames.
        """
        self.send(frame(1, START))
        self.pair.server.protocols[0].stream.pauseProducing()
        piece = frame(1, DATA, 65_536 // 2, bytes(65_536 // 2))
        self.assertIsNone(self.send(piece * 8))
        self.assertRefused(frame(1, DATA, 1, b"x"))

    def test_afterTheEnd(self) -> None:
        """
        Nothing comes behind the end of a half.
        """
        self.pair.server.build = HalfCloseCollector
        self.assertIsNone(self.send(frame(1, START) + frame(1, END)))
        self.assertRefused(frame(1, DATA, 1, b"x"))

    def test_unknown(self) -> None:
        """
        Frames of a stream that is gone have crossed its end.
        """
        for kind in (DATA, CREDIT, END, RESET):
            self.assertIsNone(self.send(frame(7, kind)))

    def test_usedUp(self) -> None:
        """
        When the ids are used up, no stream can be opened any more.
        """
        session: Any = self.pair.clientSession
        session._nextID = (1 << 32) - 1
        session.openStream(Collector())
        error = self.assertRaises(LimitExceeded, session.openStream, Collector())
        self.assertIn("stream ids", str(error))


class ProgramTests(ProgramTestCase):
    """
    C{twist libp2p} with the example.
    """

    def setUp(self) -> None:
        """
        Install it.
        """
        super().setUp()
        site = Site(self)
        site.installExample()
        option, code = TWIST
        path = f"import sys; sys.path.insert(0, {str(site.folder)!r})"
        self.twist = (option, f"{path}; {code}", "--log-format=text", "libp2p")

    async def test_help(self) -> None:
        """
        The help lists what there is to choose from, whoever it is by.
        """
        code, out, _ = await self.execute(*self.twist, "--help")
        self.assertEqual(code, 0)
        for word in ("lantern", "noise", "bundle", "yamux"):
            self.assertIn(word, out)

    async def test_echo(self) -> None:
        """
        A node is told of the plugins by their names, and reached over TCP by
        one that has the same.
        """
        program = self.start(
            *self.twist,
            *["--security", "lantern", "--muxer", "bundle", "--echo"],
            *["--listen", "/ip4/127.0.0.1/tcp/0"],
        )
        address = await program.says(r"listening on (/ip4/\S+/p2p/\w+)")
        node = Node(reactor, security=["lantern"], muxers=["bundle"])
        node.startService()
        self.addCleanup(node.stopService)
        connector = node.connector(address, echo.PROTOCOL_ID)
        guest: Any = await connector.connect(GuestFactory())
        self.assertEqual(await guest.answered, b"hello")

# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for the order of the rooms: which room may import which.

The rules are checked on the syntax trees of the package; nothing is imported.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

PACKAGE = "twisted_libp2p"
ROOT = Path(__file__).parents[1]

# A room imports itself and the rooms of the lines above its own; never a
# neighbour of its own line.
ORDER = (
    ("printable", "logger", "onuse"),
    ("errors",),
    ("wire",),
    ("identity",),
    ("address",),
    ("interfaces",),
    ("pacing",),
    ("plugin",),
    ("events",),
    ("limits",),
    ("negotiation", "security", "muxer", "transport"),
    ("quic",),
    ("webrtc",),
    ("connection",),
    ("protocols", "peerstore", "connmanager"),
    (
        "relay",
        "holepunch",
        "portmap",
        "reachability",
        "dht",
        "discovery",
        "pubsub",
    ),
    ("presence",),
    ("node",),
    ("access", "transfer", "tunnel"),
    ("web", "pb"),
    ("autotls",),
    ("testing", "options"),
    ("status", "seek", "daemon", "joining"),
    ("control",),
    ("workers",),
    ("tools",),
    ("script",),
    ("endpoints", "tap", "__main__"),
)
RANK = {room: rank for rank, rooms in enumerate(ORDER) for room in rooms}

# Other people's tests use this room.  It imports the node and everything that the
# node stands on, and nothing of the package imports it.
UNUSED_BY_OTHERS = {"testing"}

# Machines without I/O: they are fed with bytes, messages and clock readings.
WITHOUT_IO = (
    "wire/*.py",
    "transfer/messages.py",
    "*/frame.py",
    "*/window.py",
    "pacing/allowance.py",
    "limits/*.py",
    "negotiation/bootstrap.py",
    "negotiation/multistream.py",
    "negotiation/protocolids.py",
    "security/machine.py",
    "security/messages.py",
    "security/steps.py",
    "security/noise/channel.py",
    "security/noise/ciphercache.py",
    "security/noise/handshake.py",
    "security/noise/payload.py",
    "security/noise/xx.py",
    "security/secio/ephemeral.py",
    "security/secio/handshake.py",
    "security/secio/stretch.py",
    "security/secio/suite.py",
    "security/tls/certificate.py",
    "security/tls/channel.py",
    "security/tls/context.py",
    "security/tls/handshake.py",
    "security/tls/hello.py",
    "security/tls/verdict.py",
    "muxer/facts.py",
    "muxer/outbox.py",
    "muxer/phase.py",
    "muxer/reader.py",
    "muxer/state.py",
    "transport/private/xsalsa20.py",
    "transport/proxy/connect.py",
    "transport/proxy/opening.py",
    "transport/proxy/socks.py",
    "transport/websocket/opening.py",
    "transport/websocket/frames.py",
    "autotls/issuance.py",
    "autotls/issued.py",
    "autotls/jose.py",
    "autotls/messages.py",
    "autotls/names.py",
    "autotls/renewal.py",
    "connection/backoff.py",
    "connection/blackhole.py",
    "connection/candidates.py",
    "connection/choice.py",
    "connection/hearsay.py",
    "connection/ranking.py",
    "dht/answers.py",
    "dht/dagcbor.py",
    "dht/diversity.py",
    "dht/ipns.py",
    "dht/keyspace.py",
    "dht/messages.py",
    "dht/mode.py",
    "dht/netsize.py",
    "dht/providers.py",
    "dht/query.py",
    "dht/scope.py",
    "dht/searches.py",
    "dht/table.py",
    "dht/validators.py",
    "dht/values.py",
    "discovery/candidates.py",
    "discovery/delegated/records.py",
    "discovery/mdns/packet.py",
    "discovery/mdns/schedule.py",
    "discovery/mdns/sightings.py",
    "discovery/rendezvous/book.py",
    "discovery/rendezvous/cookie.py",
    "discovery/rendezvous/messages.py",
    "holepunch/exchange.py",
    "pubsub/actions.py",
    "pubsub/backoffs.py",
    "pubsub/flood.py",
    "pubsub/gossip.py",
    "pubsub/gossipsub.py",
    "pubsub/history.py",
    "pubsub/idqueue.py",
    "pubsub/mesh.py",
    "pubsub/message.py",
    "pubsub/neighbours.py",
    "pubsub/parameters.py",
    "pubsub/profile.py",
    "pubsub/promises.py",
    "pubsub/rpc.py",
    "pubsub/scoreparameters.py",
    "pubsub/scores.py",
    "pubsub/seen.py",
    "pubsub/signing.py",
    "pubsub/splitting.py",
    "pubsub/storage.py",
    "pubsub/topicstats.py",
    "pubsub/trails.py",
    "portmap/epoch.py",
    "portmap/lease.py",
    "portmap/mapping.py",
    "portmap/natpmp.py",
    "portmap/pcp.py",
    "portmap/ports.py",
    "portmap/soap.py",
    "portmap/ssdp.py",
    "reachability/book.py",
    "reachability/messages.py",
    "reachability/observed.py",
    "reachability/report.py",
    "reachability/servers.py",
    "reachability/tracker.py",
    "relay/book.py",
    "relay/messages.py",
    "relay/reserving.py",
    "relay/voucher.py",
    "access/book.py",
    "access/groups.py",
    "access/invites.py",
    "access/lists.py",
    "access/ticket.py",
    "control/messages.py",
    "tunnel/door/http.py",
    "tunnel/door/places.py",
    "tunnel/door/request.py",
    "tunnel/door/socks.py",
    "tunnel/head.py",
    "tunnel/target.py",
    "web/auth/client.py",
    "web/auth/parameters.py",
    "web/auth/server.py",
    "web/places.py",
    "web/protocols.py",
    "protocols/identify/description.py",
    "protocols/identify/reader.py",
    "peerstore/agenda.py",
    "peerstore/journal.py",
    "peerstore/merging.py",
    "connmanager/displacement.py",
    "connmanager/tags.py",
    "connmanager/trimming.py",
)
IO = ("twisted.internet", "twisted.protocols", "asyncio", "select", "socket")

# Importing it installs it: only an entry point does, and as late as possible, because
# the user may choose another one.
REACTOR = "twisted.internet.reactor"
WAYS_IN = ORDER[-1]


@dataclass(frozen=True)
class Import:
    """
    One name that a module imports.

    @ivar name: the full dotted name: of a module, or of something in one.
    @ivar line: the line of the statement.
    @ivar typesOnly: whether it stands under C{if TYPE_CHECKING}.
    @ivar nested: whether it stands inside a function.
    """

    name: str
    line: int
    typesOnly: bool
    nested: bool

    def within(self, *modules: str) -> bool:
        """
        Return whether the name is one of the modules, or inside one of them.
        """
        return any(
            self.name == module or self.name.startswith(module + ".")
            for module in modules
        )


def isTypeChecking(test: ast.expr) -> bool:
    """
    Return whether a condition is C{TYPE_CHECKING} or C{typing.TYPE_CHECKING}.
    """
    return (isinstance(test, ast.Name) and test.id == "TYPE_CHECKING") or (
        isinstance(test, ast.Attribute) and test.attr == "TYPE_CHECKING"
    )


def imports(source: str, package: str) -> Iterator[Import]:
    """
    Read the imports of a module.

    @param source: its text.
    @param package: the dotted name that a relative import starts from.
    """

    def names(node: ast.Import | ast.ImportFrom) -> list[str]:
        if isinstance(node, ast.Import):
            return [alias.name for alias in node.names]
        origin = node.module or ""
        if node.level:
            base = package.split(".")[: len(package.split(".")) - node.level + 1]
            origin = ".".join([*base, origin]).rstrip(".")
        return [f"{origin}.{alias.name}" for alias in node.names]

    def visit(node: ast.AST, typesOnly: bool, nested: bool) -> Iterator[Import]:
        if isinstance(node, ast.Import | ast.ImportFrom):
            for name in names(node):
                yield Import(name, node.lineno, typesOnly, nested)
            return
        if isinstance(node, ast.If) and isTypeChecking(node.test):
            for statement in node.body:
                yield from visit(statement, True, nested)
            for statement in node.orelse:
                yield from visit(statement, typesOnly, nested)
            return
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            nested = True
        for child in ast.iter_child_nodes(node):
            yield from visit(child, typesOnly, nested)

    return visit(ast.parse(source), False, False)


def faults(path: Path, root: Path) -> Iterator[str]:
    """
    Find the imports of one module that break the rules.

    @param path: the module's file.
    @param root: the folder of the package.
    """
    relative = path.relative_to(root)
    room = relative.parts[0].removesuffix(".py")
    package = ".".join([PACKAGE, *relative.parts[:-1]])
    frontDoor = room == "__init__"
    machine = any(fnmatch(str(relative), pattern) for pattern in WITHOUT_IO)
    if not frontDoor and room not in RANK:
        yield f"{relative}: the room {room} has no place in the order"
        return
    for found in imports(path.read_text(), package):
        where = f"{relative}:{found.line}"
        if found.typesOnly:
            where = str(relative)
        elif found.within(REACTOR):
            if not found.nested or room not in WAYS_IN:
                yield f"{where}: the global reactor is imported"
        elif found.nested:
            yield f"{where}: {found.name} is imported inside a function"
        elif machine and found.within(*IO):
            yield f"{where}: a machine without I/O imports {found.name}"
        if not found.within(PACKAGE) or frontDoor:
            continue
        target = found.name.split(".")[1] if "." in found.name else "__init__"
        if target in (room, "__version__"):
            continue
        if target not in RANK:
            yield f"{where}: {found.name} is not imported from its room"
        elif RANK[target] >= RANK[room] or target in UNUSED_BY_OTHERS:
            yield f"{where}: {room} imports {target}"


def allFaults(root: Path) -> list[str]:
    """
    Find every import of a package that breaks the rules.

    @param root: the folder of the package.
    """
    return [
        fault
        for path in sorted(root.rglob("*.py"))
        if not path.name.endswith("_pb2.py")
        for fault in faults(path, root)
    ]


class HouseTests(SynchronousTestCase):
    """
    The package keeps the rules.
    """

    def test_package(self) -> None:
        """
        No module of the package breaks a rule.
        """
        self.assertEqual(allFaults(ROOT / PACKAGE), [])

    def test_patterns(self) -> None:
        """
        Each pattern of machines without I/O names a module that exists.
        """
        root = ROOT / PACKAGE
        modules = [str(path.relative_to(root)) for path in root.rglob("*.py")]
        unused = [
            pattern
            for pattern in WITHOUT_IO
            if not any(fnmatch(module, pattern) for module in modules)
        ]
        self.assertEqual(unused, [])

    def test_plugin(self) -> None:
        """
        The plugin file imports only Twisted, Zope, and the description of plugins:
        it is loaded whenever Twisted looks for any plugin.
        """
        source = (ROOT / "twisted" / "plugins" / "libp2p_plugins.py").read_text()
        heavy = [
            found.name
            for found in imports(source, "twisted.plugins")
            if not found.within("twisted", "zope.interface", "__future__")
            and not found.within(f"{PACKAGE}.plugin")
        ]
        self.assertEqual(heavy, [])

    def test_namespace(self) -> None:
        """
        The plugin folder is not a package of its own: that would hide Twisted's.
        """
        self.assertEqual(list((ROOT / "twisted").rglob("__init__.py")), [])


class RuleTests(SynchronousTestCase):
    """
    Each rule finds a package that is made to break it.
    """

    def faultsOf(self, modules: dict[str, str]) -> list[str]:
        """
        Write a package of the given modules and check it.
        """
        root = Path(self.mktemp())
        for name, source in modules.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(source)
        return allFaults(root)

    def test_downwards(self) -> None:
        """
        A room may import itself, rooms further down, and other packages.
        """
        self.assertEqual(
            self.faultsOf(
                {
                    "muxer/yamux/session.py": (
                        "import twisted.internet.defer\n"
                        "from twisted_libp2p import __version__\n"
                        "from twisted_libp2p.errors import ProtocolViolation\n"
                        "from twisted_libp2p.muxer.stream import Stream\n"
                        "from ...wire import varint\n"
                    ),
                    "testing.py": "from twisted_libp2p.connection import Upgrader\n",
                    "__init__.py": "from twisted_libp2p.node import Node\n",
                }
            ),
            [],
        )

    def test_upwards(self) -> None:
        """
        A room does not import one that is built on it.
        """
        self.assertEqual(
            self.faultsOf({"wire/frames.py": "import twisted_libp2p.identity.keys\n"}),
            ["wire/frames.py:1: wire imports identity"],
        )

    def test_insideTier(self) -> None:
        """
        Addresses know identities; identities know no addresses.
        """
        self.assertEqual(
            self.faultsOf(
                {
                    "address/multiaddr.py": "from twisted_libp2p.identity import a\n",
                    "identity/keys.py": "from twisted_libp2p.address import a\n",
                }
            ),
            ["identity/keys.py:1: identity imports address"],
        )

    def test_neighbours(self) -> None:
        """
        The layers of the stack do not import each other.
        """
        layers = ("negotiation", "security", "muxer", "transport")
        for layer in layers:
            for other in layers:
                if layer == other:
                    continue
                self.assertEqual(
                    self.faultsOf(
                        {f"{layer}/a.py": f"from {PACKAGE}.{other} import b"}
                    ),
                    [f"{layer}/a.py:1: {layer} imports {other}"],
                )

    def test_relative(self) -> None:
        """
        A relative import counts as an import of the module that it names.
        """
        self.assertEqual(
            self.faultsOf(
                {
                    "security/tls/a.py": "from ...muxer import b\n",
                    "security/b.py": "from .. import node\n",
                }
            ),
            [
                "security/b.py:1: security imports node",
                "security/tls/a.py:1: security imports muxer",
            ],
        )

    def test_frontDoor(self) -> None:
        """
        The package itself does not import its public names.
        """
        self.assertEqual(
            self.faultsOf(
                {"tap.py": "from twisted_libp2p import Node\nimport twisted_libp2p\n"}
            ),
            [
                "tap.py:1: twisted_libp2p.Node is not imported from its room",
                "tap.py:2: twisted_libp2p is not imported from its room",
            ],
        )

    def test_testing(self) -> None:
        """
        Nothing is built on the doubles for tests.
        """
        self.assertEqual(
            self.faultsOf(
                {
                    "node.py": "from twisted_libp2p.testing import MemoryPair\n",
                    "testing.py": "from twisted_libp2p.node import Node\n",
                    "tap.py": "from twisted_libp2p.testing import MemoryPair\n",
                }
            ),
            [
                "node.py:1: node imports testing",
                "tap.py:1: tap imports testing",
            ],
        )

    def test_insideFunction(self) -> None:
        """
        An import inside a function is a fault, at any depth and of any module.
        """
        self.assertEqual(
            self.faultsOf(
                {
                    "errors.py": (
                        "class A:\n"
                        "    async def b(self):\n"
                        "        if self:\n"
                        "            import json\n"
                    )
                }
            ),
            ["errors.py:4: json is imported inside a function"],
        )

    def test_reactor(self) -> None:
        """
        Only entry points import the global reactor, and only inside functions.
        """
        atOnce = "from twisted.internet import reactor\n"
        late = f"def f():\n    {atOnce}"
        self.assertEqual(
            self.faultsOf(
                {
                    "__main__.py": late,
                    "node.py": late,
                    "tap.py": atOnce,
                }
            ),
            [
                "node.py:2: the global reactor is imported",
                "tap.py:1: the global reactor is imported",
            ],
        )

    def test_typesOnly(self) -> None:
        """
        An import for type checkers keeps the order of the rooms, so that contracts
        are not defined in terms of their implementations.  It may be one of I/O, or
        of the reactor.
        """
        self.assertEqual(
            self.faultsOf(
                {
                    "identity.py": (
                        "import typing\n"
                        "if typing.TYPE_CHECKING:\n"
                        "    from twisted_libp2p.muxer import Stream\n"
                        "else:\n"
                        "    from twisted_libp2p.address import Multiaddr\n"
                    ),
                    "wire/frames.py": (
                        "if TYPE_CHECKING:\n    from twisted.internet import reactor\n"
                    ),
                }
            ),
            [
                "identity.py: identity imports muxer",
                "identity.py:5: identity imports address",
            ],
        )

    def test_machines(self) -> None:
        """
        A machine without I/O does not import any; its wrapper does.
        """
        source = "from twisted.internet import error\nimport socket\n"
        self.assertEqual(
            self.faultsOf(
                {
                    "muxer/yamux/frame.py": source,
                    "muxer/yamux/session.py": source,
                }
            ),
            [
                "muxer/yamux/frame.py:1: a machine without I/O imports"
                " twisted.internet.error",
                "muxer/yamux/frame.py:2: a machine without I/O imports socket",
            ],
        )

    def test_unknownRoom(self) -> None:
        """
        A new room needs a place in the order.
        """
        self.assertEqual(
            self.faultsOf({"utils.py": "import os\n"}),
            ["utils.py: the room utils has no place in the order"],
        )

# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.seek} and L{twisted_libp2p.options.dht}: the tools, and nodes
on loopback that they ask.
"""

from __future__ import annotations

import io
import json
import sys
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.python.usage import UsageError
from twisted.trial.unittest import SynchronousTestCase, TestCase

from twisted_libp2p import seek
from twisted_libp2p.__main__ import ping
from twisted_libp2p.dht.events import TableChanged
from twisted_libp2p.dht.keys import multihashOf, valueKeyOf
from twisted_libp2p.dht.service import KademliaDHT
from twisted_libp2p.dht.validators import AnyValue
from twisted_libp2p.errors import (
    ConfigurationError,
    InvalidInput,
    NotFound,
    UpgradeTimeout,
)
from twisted_libp2p.identity import Identity
from twisted_libp2p.node import Node
from twisted_libp2p.options import ToolOptions
from twisted_libp2p.tap import Options

# The vectors of ipfs/specs, src/routing/kad-dht.md.
CID = "bafybeihfg3d7rdltd43u3tfvncx7n5loqofbsobojcadtmokrljfthuc7y"
MULTIHASH = "1220e536c7f88d731f374dccb568aff6f56e838a19382e488039b1ca8ad2599e82fe"


class Output(io.StringIO):
    """
    A stdout that takes bytes as well.
    """

    def __init__(self) -> None:
        super().__init__()
        self.raw = io.BytesIO()

    @property
    def buffer(self) -> Any:
        """
        The stream of bytes.
        """
        return self.raw


class ToolTests(TestCase):
    """
    Two servers, and tools that ask them.
    """

    timeout = 600

    async def setUp(self) -> None:  # type: ignore[override]
        self.one = await self.server()
        self.two = await self.server()
        self.address = str(self.one.addresses[0])
        entered: Deferred[Any] = self.two.events.next(TableChanged)
        await self.two.connect(self.one.addresses[0])
        await entered
        self.out, self.err = Output(), io.StringIO()
        self.patch(sys, "stdout", self.out)
        self.patch(sys, "stderr", self.err)

    async def server(self) -> Node:
        """
        Start a server.
        """
        dht = KademliaDHT("/test", "server", validators={"v": AnyValue()})
        node = Node(reactor, listen=["/ip4/127.0.0.1/tcp/0"], services=[dht])
        node.startService()
        self.addCleanup(node.stopService)
        await node.whenListening()
        return node

    async def run_(self, tool: str, *arguments: str) -> list[str]:
        """
        Run a tool.

        @return: the lines of its stdout.
        """
        options = ToolOptions()
        options.parseOptions(
            [
                tool,
                *arguments,
                "--bootstrap",
                self.address,
                "--dht-prefix",
                "/test",
            ]
        )
        self.out.truncate(self.out.seek(0))
        await getattr(seek, tool)(reactor, options.subOptions)
        return self.out.getvalue().splitlines()

    async def test_find(self) -> None:
        """
        The addresses of a known peer are printed; of an unknown peer there is an error
        with the numbers.
        """
        peer = str(self.two.peerID)
        self.assertEqual(
            await self.run_("find", peer), [str(each) for each in self.two.addresses]
        )
        self.assertIn("connected to /ip4/127.0.0.1", self.err.getvalue())
        self.assertIn("1 of 1 peers asked", self.err.getvalue())
        [line] = await self.run_("find", peer, "--json")
        found = json.loads(line)
        self.assertEqual(found["peer"], peer)
        self.assertEqual((found["asked"], found["ending"]), (1, "starved"))
        stranger = str(Identity.generate().peerID)
        with self.assertRaises(NotFound) as caught:
            await self.run_("find", stranger)
        self.assertEqual(
            str(caught.exception),
            f"{stranger} was not found: 2 peers asked, 2 have answered",
        )

    async def test_anywhere(self) -> None:
        """
        The first of several routings decides, and all of them are named if none finds
        the peer.
        """
        peer = str(self.two.peerID)
        url = ("--routing-url", "http://127.0.0.1:1")
        self.assertEqual(
            await self.run_("find", peer, *url),
            [str(each) for each in self.two.addresses],
        )
        self.assertIn("dht: 1 addresses", self.err.getvalue())
        [line] = await self.run_("find", peer, *url, "--json")
        self.assertEqual(
            json.loads(line),
            {"peer": peer, "addresses": [str(each) for each in self.two.addresses]},
        )
        stranger = str(Identity.generate().peerID)
        with self.assertRaises(NotFound) as caught:
            await self.run_("find", stranger, *url)
        for each in ("dht: ", "2 peers asked, 2 have answered; http "):
            self.assertIn(each, str(caught.exception))

    async def test_target(self) -> None:
        """
        The tools that talk to a peer take its id alone, if they know whom to ask.
        """
        options = ToolOptions()
        peer = str(self.two.peerID)
        options.parseOptions(
            [
                *("ping", "--count", "1", peer, "--bootstrap", self.address),
                *("--dht-prefix", "/test"),
            ]
        )
        await ping(reactor, options.subOptions)
        self.assertIn("1 pings", self.out.getvalue())
        options = ToolOptions()
        options.parseOptions(["ping", peer])
        with self.assertRaises(ConfigurationError) as caught:
            await ping(reactor, options.subOptions)
        self.assertIn("--bootstrap, --mdns or --routing-url", str(caught.exception))

    async def test_content(self) -> None:
        """
        Announced content has a provider.
        """
        with self.assertRaises(NotFound):
            await self.run_("providers", CID)
        self.assertEqual(
            await self.run_("provide", CID, "--listen", "/ip4/127.0.0.1/tcp/0"),
            ["stored by 2 of 2 peers"],
        )
        [peer] = await self.run_("providers", CID)
        self.assertTrue(peer.startswith("12D3KooW"))
        [line] = await self.run_("providers", CID, "--json")
        self.assertEqual(list(json.loads(line)["providers"]), [peer])

    async def test_values(self) -> None:
        """
        A stored value is found.
        """
        self.assertEqual(
            await self.run_("put", "/v/name", "value"), ["stored by 2 of 2 peers"]
        )
        await self.run_("get", "/v/name")
        self.assertEqual(self.out.raw.getvalue(), b"value")
        [line] = await self.run_("get", "/v/name", "--json", "--quorum", "1")
        self.assertEqual(bytes.fromhex(json.loads(line)["value"]), b"value")
        with self.assertRaises(NotFound) as caught:
            await self.run_("put", "/other/name", "value")
        self.assertIn("none of 2 has", str(caught.exception))

    async def test_unreached(self) -> None:
        """
        Without a bootstrap peer the error says so; a lookup can take too long.
        """
        await self.one.stopService()
        with self.assertRaises(NotFound) as caught:
            await self.run_("find", str(self.two.peerID))
        self.assertIn("none of 1 was reached", str(caught.exception))
        self.assertIn(f"{self.address} was not reached", self.err.getvalue())

    async def test_late(self) -> None:
        """
        The user's time ends a lookup.
        """
        options = ToolOptions()
        options.parseOptions(
            [
                "find",
                str(Identity.generate().peerID),
                "--bootstrap",
                self.address,
                "--timeout",
                "0.1",
            ]
        )
        with self.assertRaises(UpgradeTimeout):
            await seek.find(reactor, options.subOptions)


class KeyTests(SynchronousTestCase):
    """
    Keys in text.
    """

    def test_cid(self) -> None:
        """
        CIDs of both versions lead to the multihash.
        """
        self.assertEqual(multihashOf(CID).hex(), MULTIHASH)
        peer = Identity.generate().peerID
        self.assertEqual(multihashOf(peer.toCID("base36")), peer.toBytes())
        self.assertEqual(
            multihashOf("QmdfTbBqBPQ7VNxZEYEj14VmRuZBkqFbiwReogJgS1zR1n").hex(),
            "1220e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        )

    def test_noCID(self) -> None:
        """
        The error shows a CID.
        """
        for text in ("", "x", "Qm", "bafy", "f0155", "f" + "00" * 200, CID[:-2]):
            with self.assertRaises(InvalidInput) as caught:
                multihashOf(text)
            self.assertIn("such as bafy", str(caught.exception))

    def test_value(self) -> None:
        """
        The id at the end of some keys is binary.
        """
        peer = Identity.generate().peerID
        self.assertEqual(valueKeyOf(f"/pk/{peer}"), b"/pk/" + peer.toBytes())
        self.assertEqual(valueKeyOf("/v/a/b"), b"/v/a/b")
        for text in ("", "v", "/v", "/v/", "v/a", "//a", "/pk/a"):
            self.assertRaises(InvalidInput, valueKeyOf, text)


class OptionTests(SynchronousTestCase):
    """
    Wrong command lines, and the options of a node.
    """

    def test_refused(self) -> None:
        """
        Each mistake is answered by one line.
        """
        peer = str(Identity.generate().peerID)
        for arguments, right in (
            (["find", peer], "give --bootstrap ADDRESS"),
            (["find", "me"], "no peer id"),
            (["find", peer, "--bootstrap", "there"], "--bootstrap there"),
            (["provide", "x"], "not a CID"),
            (["get", "x"], "not the key of a value"),
            (["get", "/pk/x", "--timeout", "0"], "between 0 and a day"),
        ):
            with self.assertRaises(UsageError) as caught:
                ToolOptions().parseOptions(arguments)
            self.assertIn(right, str(caught.exception))
            self.assertNotIn("\n", str(caught.exception))

    def test_node(self) -> None:
        """
        A node has a DHT if its options say so.
        """
        options = Options()
        options.parseOptions([])
        self.assertIsNone(options.dht())
        options = Options()
        options.parseOptions(
            ["--dht", "server", "--dht-prefix", "/test", "--dht-namespace", "v"]
        )
        dht = options.dht()
        assert dht is not None
        self.assertEqual(dht.protocol, "/test/kad/1.0.0")

# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.daemon.reloading}.
"""

from __future__ import annotations

from pathlib import Path

from twisted.internet.testing import MemoryReactorClock
from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.address import Multiaddr
from twisted_libp2p.connmanager import ListGater
from twisted_libp2p.daemon.reloading import Reloading
from twisted_libp2p.identity import Identity
from twisted_libp2p.node import Node
from twisted_libp2p.tap import Options
from twisted_libp2p.tunnel.served import ServedPort

FRIEND, STRANGER = Identity.generate().peerID, Identity.generate().peerID
BASE = "no-listen = true\nserve = ['/a=tcp:localhost:80']\n"


class ReloadingTests(SynchronousTestCase):
    """
    A node with a file of settings.
    """

    def setUp(self) -> None:
        """
        Make the node.
        """
        self.path = Path(self.mktemp())
        self.path.write_text(BASE)
        options = Options()
        options.parseOptions(["--config", str(self.path)])
        self.gater = ListGater()
        access = options.access()
        reactor = MemoryReactorClock()
        self.node = Node(reactor, gater=self.gater)
        (self.served,) = options.tunnels(reactor, access)
        self.node.add(self.served)
        self.reload = Reloading(self.node, options, access, self.gater)

    def log(self) -> str:
        """
        Reload the file, and return the log.
        """
        with capturedLogs() as events:
            self.reload()
        return "\n".join(
            str(each["log_format"]).format(**each)
            for each in events
            if each["log_namespace"].endswith("Reloading")
        )

    def allowed(self) -> list[bool]:
        """
        Return which of the two peers may use the protocol.
        """
        assert isinstance(self.served, ServedPort)
        allow = self.served.allow
        return [allow is None or allow(each) for each in (FRIEND, STRANGER)]

    def test_lists(self) -> None:
        """
        The lists of peers change; other settings wait for the next start.
        """
        self.assertEqual(self.allowed(), [True, True])
        self.path.write_text(
            BASE + "echo = true\nblock = ['10.0.0.0/8']\n"
            f"[allow-for]\n'/a' = '{FRIEND}'\n"
        )
        self.assertEqual(
            self.log(),
            "these settings change at the next start: echo\n"
            f"the lists of {self.path} were read again",
        )
        self.assertEqual(self.allowed(), [True, False])
        inside, outside = Multiaddr("/ip4/10.1.1.1/tcp/1"), Multiaddr("/ip4/9.9.9.9")
        self.assertIsNotNone(self.gater.accepted(inside))
        self.assertIsNone(self.gater.accepted(outside))
        self.path.write_text(BASE + "allow = ['10.1.0.0/16']\n")
        # Nobody has to find that out by a look at the file.
        for count in (1, 0):
            with capturedLogs() as events:
                self.reload()
            opened = [each for each in events if "every peer" in each["log_format"]]
            self.assertEqual(len(opened), count)
        self.assertEqual(self.allowed(), [True, True])
        self.assertIsNone(self.gater.accepted(inside))
        self.assertIsNotNone(self.gater.accepted(outside))

    def test_wrong(self) -> None:
        """
        After a mistake all lists stay as they were.
        """
        self.path.write_text(BASE + "block = ['10.0.0.0/8']\n")
        self.log()
        for text, words in (
            ("block = [", "Invalid value (at end of document)"),
            ("block = ['x']", "'x' is no peer, no address and no network"),
            ("allow-for = ['/a=@b']", "there is no group 'b'"),
            ("allow-for = ['/c=@b']", "it needs --serve /c=ENDPOINT"),
        ):
            self.path.write_text(BASE + text)
            log = self.log()
            self.assertIn("the lists stay as they were: ", log)
            self.assertIn(words, log)
            self.assertEqual(self.allowed(), [True, True])
            self.assertIsNotNone(self.gater.accepted(Multiaddr("/ip4/10.1.1.1/tcp/1")))

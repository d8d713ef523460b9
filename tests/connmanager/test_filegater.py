# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.connmanager.filegater}.
"""

from __future__ import annotations

from pathlib import Path

from twisted.internet.testing import MemoryReactorClock
from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from twisted_libp2p import Identity, Multiaddr, Node
from twisted_libp2p.connmanager import FileGater
from twisted_libp2p.errors import ConfigurationError
from twisted_libp2p.interfaces import IGater, IReloadable

FRIEND, STRANGER = Identity.generate().peerID, Identity.generate().peerID
ADDRESS = Multiaddr("/ip4/192.0.2.7/tcp/4001")


class FileGaterTests(SynchronousTestCase):
    """
    A file of blocked peers.
    """

    def setUp(self) -> None:
        """
        Name the file.
        """
        self.path = Path(self.mktemp())

    def test_interfaces(self) -> None:
        """
        It is a gater, and the node has it read its file again.
        """
        gater = FileGater(self.path)
        verifyObject(IGater, gater)
        verifyObject(IReloadable, gater)

    def test_entries(self) -> None:
        """
        Peers, addresses and networks are blocked; comments and empty lines are not.
        """
        self.path.write_text(f"# list\n\n{STRANGER}  # rude\n192.0.2.0/24\n")
        gater = FileGater(self.path)
        self.assertEqual(set(gater.blocked), {str(STRANGER), "192.0.2.0/24"})
        self.assertIn("is blocked", str(gater.beforeDial(STRANGER, ADDRESS)))
        self.assertIn("is blocked", str(gater.accepted(ADDRESS)))

    def test_allowed(self) -> None:
        """
        The other arguments are those of a gater with two lists.
        """
        self.path.write_text("192.0.2.0/24")
        gater = FileGater(self.path, allowed=[FRIEND], only=True)
        self.assertIsNone(gater.beforeDial(FRIEND, ADDRESS))
        elsewhere = Multiaddr("/ip4/198.51.100.1/tcp/1")
        self.assertIn("not among", str(gater.beforeDial(STRANGER, elsewhere)))

    def test_reload(self) -> None:
        """
        A node reads the file again; a missing file is an empty one.
        """
        gater = FileGater(self.path)
        node = Node(MemoryReactorClock(), gater=gater)
        self.assertIsNone(gater.beforeDial(STRANGER, ADDRESS))
        self.path.write_text(str(STRANGER))
        node.reload()
        self.assertIn("is blocked", str(gater.beforeDial(STRANGER, ADDRESS)))
        self.path.unlink()
        node.reload()
        self.assertIsNone(gater.beforeDial(STRANGER, ADDRESS))

    def test_mistake(self) -> None:
        """
        A mistake is an error that names the line; later it is logged, and changes
        nothing.
        """
        self.path.write_text(f"{STRANGER}\n")
        gater = FileGater(self.path)
        self.path.write_text(f"{FRIEND}\nnobody\n")
        error = self.assertRaises(ConfigurationError, FileGater, self.path)
        self.assertIn(f"{self.path}:2: 'nobody' is no peer", str(error))
        with capturedLogs() as events:
            gater.reload()
        self.assertEqual(list(gater.blocked), [str(STRANGER)])
        (event,) = events
        self.assertIn("the list stays as it was", event["log_format"])

    def test_unreadable(self) -> None:
        """
        A folder, and bytes that are no text, are errors.
        """
        self.path.mkdir()
        self.assertRaises(ConfigurationError, FileGater, self.path)
        binary = Path(self.mktemp())
        binary.write_bytes(b"\xff\xfe\x00")
        self.assertRaises(ConfigurationError, FileGater, binary)

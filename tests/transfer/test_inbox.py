# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.transfer.inbox}: the folder of a node that runs.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from twisted.logger import capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from tests.transfer.test_transfer import DATA, Hand, offerOf
from twisted_libp2p.identity import PeerID
from twisted_libp2p.interfaces import IHostService
from twisted_libp2p.testing.nodes import MemoryNodes
from twisted_libp2p.transfer.inbox import (
    MAX_FILE_SIZE,
    MAX_FILES,
    PART_TIME,
    SWEEP_TIME,
    Inbox,
)
from twisted_libp2p.transfer.messages import PROTOCOL_ID, Offer

#: A time of day, in seconds since 1970.
NOW = 1_800_000_000.0


class InboxTests(SynchronousTestCase):
    """
    A node with a folder, and a peer that sends files by hand.
    """

    def setUp(self) -> None:
        """
        Make the nodes and the folder.
        """
        self.nodes = MemoryNodes()
        self.addCleanup(self.nodes.stop)
        self.folder = Path(self.mktemp())
        self.folder.mkdir()

    def start(self, **options: Any) -> Inbox:
        """
        Start the node.
        """
        self.wall = NOW
        inbox = Inbox(str(self.folder), wall=lambda: self.wall, **options)
        home = self.nodes.start(services=[inbox])
        self.node = self.nodes.start()
        self.connection, _ = self.nodes.connect(self.node, home)
        return inbox

    def offer(self, offer: Offer, data: bytes | None = None) -> list[dict[str, Any]]:
        """
        Offer a file, and send all of its bytes, if there are any.

        @return: the answers.
        """
        hand = self.nodes.result(self.connection.openStream(PROTOCOL_ID, Hand))
        assert isinstance(hand, Hand)
        hand.transport.write(offer.toBytes())
        self.nodes.settle()
        self.nodes.advance(0.1)
        if data is not None:
            hand.transport.write(data)
            hand.transport.loseWriteConnection()
        self.nodes.advance(0.1)
        hand.transport.abortConnection()
        self.nodes.advance(0.1)
        return hand.answers

    def files(self) -> list[str]:
        """
        Return the names of the files in the folder.
        """
        return sorted(os.listdir(self.folder))

    def test_received(self) -> None:
        """
        A file of any peer is stored, and logged with its sender.
        """
        with capturedLogs() as logged:
            verifyObject(IHostService, self.start())
            answers = self.offer(offerOf(DATA), DATA)
        self.assertEqual(answers, [{"offset": 0}, {"done": True}])
        self.assertEqual((self.folder / "data").read_bytes(), DATA)
        lines = [formatEvent(each) for each in logged]
        for line in (
            f"received the file data, {len(DATA)} bytes, from {self.node.peerID}",
            f"{PROTOCOL_ID} is open to every peer: --allow-for names those that may"
            " use it",
        ):
            self.assertEqual(lines.count(line), 1)

    def test_limits(self) -> None:
        """
        A file that is too large, and one more than may be in the folder, are refused;
        an interrupted one goes on, since it has its place already.
        """
        self.start(maxSize=len(DATA), maxFiles=2)
        large = self.offer(offerOf(DATA + b"x"))
        error = f"a file may have at most {len(DATA)} bytes here"
        self.assertEqual(large, [{"error": error}])
        self.assertEqual(self.files(), [])
        (self.folder / "mine").write_text("mine")
        self.assertEqual(self.offer(offerOf(DATA)), [{"offset": 0}])
        full = [{"error": "there are 2 files already, and no room for more"}]
        self.assertEqual(self.offer(offerOf(b"a", "other")), full)
        self.assertEqual(self.offer(offerOf(DATA), DATA)[1:], [{"done": True}])
        self.assertEqual(self.files(), ["data", "mine"])
        self.assertEqual(self.offer(offerOf(b"a", "other")), full)

    def test_defaults(self) -> None:
        """
        There are limits unless others are given.
        """
        inbox = self.start()
        self.assertEqual((inbox.maxSize, inbox.maxFiles), (MAX_FILE_SIZE, MAX_FILES))

    def test_listed(self) -> None:
        """
        Listed peers alone may send files; the list may change.
        """
        listed: list[PeerID] = []
        inbox = self.start(allow=lambda peer: peer in listed)
        refusal = [{"error": "this peer may not send files here"}]
        self.assertEqual(self.offer(offerOf(DATA)), refusal)
        self.assertEqual(self.files(), [])
        listed.append(self.node.peerID)
        self.assertEqual(self.offer(offerOf(DATA)), [{"offset": 0}])
        inbox.replace(lambda peer: False)
        self.assertEqual(self.offer(offerOf(DATA)), refusal)

    def test_unreadable(self) -> None:
        """
        If the folder is gone, the peer learns it without a path of this machine.
        """
        self.start()
        self.folder.rmdir()
        self.assertEqual(
            self.offer(offerOf(DATA)), [{"error": "No such file or directory"}]
        )
        self.nodes.advance(SWEEP_TIME)

    def test_swept(self) -> None:
        """
        An interrupted file is removed an hour after its last byte, and no other file.
        """
        self.start()
        self.offer(offerOf(DATA))
        (part,) = self.files()
        for name in ("film", ".film.part", ".film.0123456789abcdef.part~"):
            (self.folder / name).write_text("mine")
            os.utime(self.folder / name, (0, 0))
        (self.folder / ".d.0123456789abcdef.part").mkdir()
        os.utime(self.folder / ".d.0123456789abcdef.part", (0, 0))
        kept = sorted({*self.files()} - {part})
        os.utime(self.folder / part, (NOW, NOW))
        self.wall = NOW + PART_TIME - 1
        self.nodes.advance(SWEEP_TIME)
        self.assertIn(part, self.files())
        self.wall = NOW + PART_TIME + 1
        self.nodes.advance(SWEEP_TIME)
        self.assertEqual(self.files(), kept)

    def test_slow(self) -> None:
        """
        A file that is being received is not removed, though its bytes come so slowly
        that none has reached the disk for an hour.
        """
        self.start()
        hand = self.nodes.result(self.connection.openStream(PROTOCOL_ID, Hand))
        assert isinstance(hand, Hand)
        hand.transport.write(offerOf(DATA).toBytes())
        self.nodes.settle()
        self.nodes.advance(0.1)
        (part,) = self.files()
        os.utime(self.folder / part, (0, 0))
        for place in range(int(SWEEP_TIME / 50) + 1):
            hand.transport.write(DATA[place : place + 1])
            self.nodes.advance(50)
        self.assertEqual((self.folder / part).stat().st_mtime, 0)
        hand.transport.write(DATA[place + 1 :])
        hand.transport.loseWriteConnection()
        self.nodes.advance(0.1)
        self.assertEqual(hand.answers, [{"offset": 0}, {"done": True}])
        self.assertEqual(self.files(), ["data"])

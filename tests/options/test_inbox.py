# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.options.inbox}: the options of C{twist libp2p}.
"""

from __future__ import annotations

import os
from typing import Any

from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.identity import Identity
from twisted_libp2p.tap import Failed, Options, makeService
from twisted_libp2p.transfer.inbox import MAX_FILE_SIZE, MAX_FILES, Inbox
from twisted_libp2p.transfer.messages import PROTOCOL_ID

FRIEND = Identity.generate().peerID
STRANGER = Identity.generate().peerID


class InboxOptionsTests(SynchronousTestCase):
    """
    The command line.
    """

    def setUp(self) -> None:
        """
        Make the folder.
        """
        self.folder = self.mktemp()
        os.mkdir(self.folder)

    def make(self, *arguments: str) -> list[Any]:
        """
        Make the node.

        @return: its folders for files.
        """
        options = Options()
        options.parseOptions(("--no-listen", *arguments))
        node: Any = makeService(options, MemoryReactorClock())
        return [each for each in node.services if isinstance(each, Inbox)]

    def test_inbox(self) -> None:
        """
        A folder that is named receives files of all peers, up to limits; without one
        there is none.
        """
        self.assertEqual(self.make(), [])
        (inbox,) = self.make("--receive", self.folder)
        self.assertEqual(
            (inbox.folder, inbox.maxSize, inbox.maxFiles),
            (self.folder, MAX_FILE_SIZE, MAX_FILES),
        )
        self.assertTrue(inbox.allowed(STRANGER))

    def test_limits(self) -> None:
        """
        The limits, and the peers, can be chosen.
        """
        (inbox,) = self.make(
            "--receive", self.folder, "--receive-size", "2G", "--receive-files", "3",
            "--allow-for", f"{PROTOCOL_ID}={FRIEND}",
        )  # fmt: skip
        self.assertEqual((inbox.maxSize, inbox.maxFiles), (2_000_000_000, 3))
        allowed = [inbox.allowed(each) for each in (FRIEND, STRANGER)]
        self.assertEqual(allowed, [True, False])

    def test_wrong(self) -> None:
        """
        A mistake is one line, which has the value.
        """
        receive = ("--receive", self.folder)
        for arguments, words in (
            (("--receive", "nowhere"), "--receive nowhere: there is no such folder"),
            (("--receive-size", "1k"), "need --receive FOLDER"),
            (("--receive-files", "1"), "need --receive FOLDER"),
            (("--allow-for", f"{PROTOCOL_ID}=x"), f"needs --serve {PROTOCOL_ID}="),
            ((*receive, "--allow-for", f"{PROTOCOL_ID}=x"), "'x' is no peer id"),
            ((*receive, "--name-peer", f"{PROTOCOL_ID}=http"), "it needs --serve"),
            (
                (*receive, "--serve", f"{PROTOCOL_ID}=tcp:localhost:1"),
                "is served already",
            ),
        ):
            error = str(self.assertRaises(Failed, self.make, *arguments))
            self.assertIn(words, error)
            self.assertNotIn("\n", error)

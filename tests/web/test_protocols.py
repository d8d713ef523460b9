# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.web.protocols}.
"""

from __future__ import annotations

import json

from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.errors import ProtocolViolation
from twisted_libp2p.web.protocols import parseProtocols, writeProtocols

PATHS = {"/kad/1.0.0": "/kademlia/", "/ipfs/gateway": "/"}
ENTRIES = {name: {"path": path} for name, path in PATHS.items()}


class ProtocolsTests(SynchronousTestCase):
    """
    The list of protocols.
    """

    def test_both(self) -> None:
        """
        Both forms are written and read.
        """
        written = writeProtocols(PATHS)
        self.assertEqual(json.loads(written)["protocols"], ENTRIES)
        self.assertEqual(json.loads(written)["/kad/1.0.0"], {"path": "/kademlia/"})
        for form in (ENTRIES, {"protocols": ENTRIES}):
            self.assertEqual(parseProtocols(json.dumps(form).encode()), PATHS)
        self.assertEqual(parseProtocols(written), PATHS)
        self.assertEqual(parseProtocols(b"{}"), {})

    def test_malformed(self) -> None:
        """
        A malformed list is refused.
        """
        for data in (
            b"",
            b"\xff",
            b"[]",
            b'{"protocols": []}',
            b'{"/a": {}}',
            b'{"/a": {"path": 3}}',
            b'{"/a": {"path": "a"}}',
            b'{"/a": "/a"}',
            b"[" * 5000,
        ):
            self.assertRaises(ProtocolViolation, parseProtocols, data)

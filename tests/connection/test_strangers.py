# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of how much memory a stranger takes before the handshake is done.
"""

from __future__ import annotations

import os
from typing import Any

from twisted.internet.protocol import Factory, Protocol
from twisted.trial.unittest import SynchronousTestCase

from tests.traced import traced
from twisted_libp2p.negotiation.multistream import HEADER
from twisted_libp2p.testing import MemoryNodes
from twisted_libp2p.transport import MemoryTransport
from twisted_libp2p.wire import delimit

#: How many strangers come, and the most bytes that each of them may take.
STRANGERS = 20
MOST = 20 * 1024


def said(text: str) -> bytes:
    """
    Encode a message of multistream-select.
    """
    return delimit(text.encode() + b"\n")


#: What a stranger says, and then waits: as much as each protocol holds.
HALVES = {
    "nothing": b"",
    "bootstrap": b"/" + b"a" * 1000,
    "multistream": HEADER + b"\xff\x07" + b"a" * 1000,
    "proposals": HEADER + said("/" + "x" * 800) * 90,
    "noise": HEADER
    + said("/noise")
    + b"\x00\x20"
    + os.urandom(32)
    + b"\x20\x00"
    + bytes(8000),
    "noise that is too long": HEADER
    + said("/noise")
    + b"\x00\x20"
    + os.urandom(32)
    + b"\x40\x00"
    + bytes(16_000),
    "tls": HEADER
    + said("/tls/1.0.0")
    + b"\x16\x03\x01\x1f\x00\x01\x00\x1e\xfc"
    + bytes(7000),
    "secio": HEADER + said("/secio/1.0.0") + b"\x00\x00\x0f\xff" + bytes(4000),
    "plaintext": HEADER + said("/plaintext/2.0.0") + b"\xff\x0f" + bytes(1900),
}


class StrangerTests(SynchronousTestCase):
    """
    Strangers connect and say a half of something.
    """

    def test_memory(self) -> None:
        """
        Each takes at most 20 KiB, in whatever protocol, his connection included.
        """
        nodes = MemoryNodes()
        self.addCleanup(nodes.stop)
        server = nodes.start(security=["noise", "tls", "secio", "insecure-plaintext"])
        transport = MemoryTransport(nodes.network)
        endpoint = transport.clientEndpoint(server.addresses[0].withoutPeer())
        factory = Factory.forProtocol(Protocol)
        for name, data in HALVES.items():
            first: Any = nodes.result(endpoint.connect(factory))
            first.transport.write(data)
            nodes.settle()
            strangers: list[Any] = []
            with traced() as held:
                for _ in range(STRANGERS):
                    strangers.append(nodes.result(endpoint.connect(factory)))
                for start in range(0, len(data), 1000):
                    for each in strangers:
                        piece = bytes(bytearray(data[start : start + 1000]))
                        each.transport.write(piece)
                    nodes.settle()
                self.assertLess(held() / STRANGERS, MOST, name)
            for each in [first, *strangers]:
                each.transport.abortConnection()
            nodes.settle()

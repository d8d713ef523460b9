# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of our own message.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.protocols.identify.described import (
    ALL,
    LINK_LOCAL,
    LOOPBACK,
    LOOPBACK6,
    NAMED,
    PEER,
    PRIVATE,
    PUBLIC,
    public,
    read,
    record,
)
from twisted_libp2p.address import Multiaddr, PeerRecord
from twisted_libp2p.identity import Identity, KeyType
from twisted_libp2p.interfaces import Identification
from twisted_libp2p.protocols.identify.description import (
    MAX_OWN_MESSAGE,
    Audience,
    describe,
    visible,
)
from twisted_libp2p.wire.frames import FrameBuffer
from twisted_libp2p.wire.identify_pb2 import Identify as Message

ONION = "/onion3/vww6ybal4bd7szmgncyruucpgfkqahzddi37ktceo3ah7ngmcopnpyyd:1234"


class VisibleTests(SynchronousTestCase):
    """
    Tests for L{visible}.
    """

    def test_scopes(self) -> None:
        """
        A public peer gets public addresses, a near peer all but those of this host, a
        peer of this host all, and a peer of Tor those of Tor.
        """
        unix, onion = Multiaddr("/unix/a"), Multiaddr(ONION)
        known = [*ALL, unix, onion]
        for at, expected in (
            (PUBLIC, [PUBLIC, NAMED, onion]),
            (NAMED, [PUBLIC, NAMED, onion]),
            (None, [PUBLIC, NAMED, onion]),
            (PRIVATE, [LINK_LOCAL, PRIVATE, PUBLIC, NAMED, onion]),
            (LINK_LOCAL, [LINK_LOCAL, PRIVATE, PUBLIC, NAMED, onion]),
            (LOOPBACK, known),
            (LOOPBACK6, known),
            (unix, known),
            (onion, [onion]),
        ):
            self.assertEqual(visible(known, Audience.of(at)), expected)


class DescribeTests(SynchronousTestCase):
    """
    Tests for L{describe}.
    """

    def describe(
        self,
        addresses: list[Multiaddr],
        protocols: list[str],
        identity: Identity = PEER,
        observed: Multiaddr | None = None,
    ) -> Message:
        """
        Describe somebody, and decode that.
        """
        frames = FrameBuffer(MAX_OWN_MESSAGE)
        frames.feed(
            describe(
                identity,
                agent="test/1",
                protocolVersion="test",
                protocols=protocols,
                addresses=addresses,
                room=0 if observed is None else len(observed.toBytes()),
                seal=lambda some: record(*some, sequence=7, identity=identity),
            ).message(observed)
        )
        (frame,) = frames
        return Message.FromString(frame)

    def test_fields(self) -> None:
        """
        All is said, the addresses once more in a signed record.
        """
        told = self.describe([PUBLIC, NAMED], ["/a", "/b"], observed=PRIVATE)
        self.assertEqual(told.publicKey, PEER.publicKey.toBytes())
        self.assertEqual(told.agentVersion, "test/1")
        self.assertEqual(told.protocolVersion, "test")
        self.assertEqual(list(told.protocols), ["/a", "/b"])
        self.assertEqual(list(told.listenAddrs), [PUBLIC.toBytes(), NAMED.toBytes()])
        self.assertEqual(told.observedAddr, PRIVATE.toBytes())
        self.assertEqual(
            PeerRecord.open(told.signedPeerRecord),
            PeerRecord(PEER.peerID, 7, (PUBLIC, NAMED)),
        )

    def test_unobservable(self) -> None:
        """
        Where the peer has no address, nothing is said of one.
        """
        self.assertFalse(self.describe([], ["/a"]).HasField("observedAddr"))

    def test_manyAddresses(self) -> None:
        """
        Of too many addresses the first are said; of the protocols all.
        """
        addresses = [public(number) for number in range(1000)]
        told = self.describe(addresses, ["/a", "/b"])
        count = len(told.listenAddrs)
        self.assertGreater(count, 50)
        self.assertEqual(
            list(told.listenAddrs), [each.toBytes() for each in addresses[:count]]
        )
        self.assertEqual(
            PeerRecord.open(told.signedPeerRecord).addresses, tuple(addresses[:count])
        )
        self.assertEqual(list(told.protocols), ["/a", "/b"])

    def test_manyProtocols(self) -> None:
        """
        Of too many protocols the first are said; of the addresses all.
        """
        protocols = [f"/protocol/{number}" for number in range(1000)]
        told = self.describe([PUBLIC], protocols)
        self.assertGreater(len(told.protocols), 100)
        self.assertEqual(list(told.protocols), protocols[: len(told.protocols)])
        self.assertEqual(list(told.listenAddrs), [PUBLIC.toBytes()])

    def test_manyOfBoth(self) -> None:
        """
        Even with a large key, and too many of both, something is left of both.
        """
        told = self.describe(
            [public(number) for number in range(1000)],
            [f"/protocol/{number}" for number in range(1000)],
            Identity.generate(KeyType.RSA),
        )
        self.assertGreater(len(told.protocols), 10)
        self.assertGreater(len(told.listenAddrs), 10)

    def test_readBack(self) -> None:
        """
        A reader understands it.
        """
        told = read(
            describe(
                PEER,
                agent="test/1",
                protocolVersion="test",
                protocols=["/a"],
                addresses=[PUBLIC],
                room=len(NAMED.toBytes()),
                seal=lambda some: record(*some, sequence=7),
            ).message(NAMED)
        )
        self.assertEqual(
            told,
            Identification(
                agent="test/1",
                protocolVersion="test",
                protocols=("/a",),
                listenAddresses=(PUBLIC,),
                observedAddress=NAMED,
                record=record(PUBLIC, sequence=7),
                sequence=7,
            ),
        )

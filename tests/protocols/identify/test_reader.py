# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of how the message of a peer is read.
"""

from __future__ import annotations

from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.examples import drawn
from tests.protocols.identify.described import (
    ALL,
    FILTER,
    LOOPBACK,
    NAMED,
    NOTHING,
    PEER,
    PRIVATE,
    PUBLIC,
    STRANGER,
    message,
    public,
    read,
    record,
)
from tests.traced import traced
from twisted_libp2p.address import Multiaddr
from twisted_libp2p.errors import ProtocolViolation
from twisted_libp2p.identity import Identity, KeyType
from twisted_libp2p.interfaces import Identification
from twisted_libp2p.protocols.identify.reader import (
    MAX_ADDRESSES,
    MAX_MESSAGE,
    MAX_MESSAGES,
    MAX_PROTOCOLS,
    Reader,
)
from twisted_libp2p.wire.frames import delimit


class ReaderTests(SynchronousTestCase):
    """
    Tests for L{Reader}.
    """

    def test_nothing(self) -> None:
        """
        An empty message tells nothing; that is no fault.
        """
        self.assertEqual(read(message()), NOTHING)

    def test_merged(self) -> None:
        """
        Several messages are one: go-libp2p sends its record in a second.
        """
        told = read(
            message(agentVersion="first", protocols=["/a"])
            + message(protocols=["/b"], signedPeerRecord=record(PUBLIC))
        )
        self.assertEqual(told.agent, "first")
        self.assertEqual(told.protocols, ("/a", "/b"))
        self.assertEqual(told.listenAddresses, (PUBLIC,))

    def test_unchanged(self) -> None:
        """
        What is not mentioned stays; what is mentioned replaces.
        """
        before = read(
            message(
                agentVersion="test/1",
                protocolVersion="test",
                protocols=["/a", "/b"],
                listenAddrs=[PUBLIC.toBytes()],
                observedAddr=NAMED.toBytes(),
            )
        )
        self.assertEqual(read(message(), before), before)
        after = read(message(protocols=["/c"], listenAddrs=[NAMED.toBytes()]), before)
        self.assertEqual(after.protocols, ("/c",))
        self.assertEqual(after.listenAddresses, (NAMED,))
        self.assertEqual(after.agent, "test/1")
        self.assertEqual(after.observedAddress, NAMED)

    def test_mappedObserved(self) -> None:
        """
        An observed address that is mapped into IPv6 is stored as IPv4.
        """
        mapped = Multiaddr("/ip6/::ffff:192.0.2.1/tcp/1")
        told = read(message(observedAddr=mapped.toBytes()))
        self.assertEqual(told.observedAddress, Multiaddr("/ip4/192.0.2.1/tcp/1"))

    @drawn(50, st.data())
    def test_pieces(self, data: st.DataObject) -> None:
        """
        It does not matter in which pieces a message comes.
        """
        whole = message(agentVersion="a") + message(
            protocols=["/a"], signedPeerRecord=record(PUBLIC)
        )
        cut = data.draw(st.integers(0, len(whole)))
        reader = Reader(PEER.publicKey, None, FILTER)
        reader.feed(whole[:cut])
        reader.feed(whole[cut:])
        self.assertEqual(reader.finish(NOTHING), read(whole, remote=None))

    def test_truncated(self) -> None:
        """
        A message that is cut off anywhere is none.
        """
        whole = message(agentVersion="test", protocols=["/a"])
        for size in range(len(whole)):
            with self.assertRaises(ProtocolViolation):
                read(whole[:size])

    def test_tooLong(self) -> None:
        """
        A message of 9 KiB is refused as soon as its length is known.
        """
        read(message(agentVersion="x" * (MAX_MESSAGE - 3)))
        reader = Reader(PEER.publicKey, None, FILTER)
        with self.assertRaises(ProtocolViolation):
            reader.feed(message(agentVersion="x" * 9 * 1024)[:2])

    def test_tooMuch(self) -> None:
        """
        All messages of a stream together have at most 16 KiB: go-libp2p sends
        two of them.
        """
        large = message(agentVersion="x" * (MAX_MESSAGE - 3))
        read(large + large)
        for fields in (
            {"agentVersion": ""},
            {"protocols": ["/a"]},
            {"listenAddrs": [b""]},
        ):
            reader = Reader(PEER.publicKey, None, FILTER)
            reader.feed(large + large)
            with self.assertRaises(ProtocolViolation):
                reader.feed(message(**fields))

    def test_memory(self) -> None:
        """
        Whatever a peer says takes at most 256 KiB: addresses of many components,
        of few bytes, in a record or not, and names of wide characters.
        """
        small = [
            bytes((4, 8, 8, one, other)) for one in range(8) for other in range(125)
        ]
        unlike = [
            b"".join(
                Multiaddr(f"/{'ws' if place >> bit & 1 else 'wss'}").toBytes()
                for bit in range(16)
            )
            for place in range(220)
        ]
        cases = (
            [{"listenAddrs": unlike}, {"listenAddrs": unlike}],
            [{"listenAddrs": small[:1000]}, {"listenAddrs": small[:1000]}],
            [{"signedPeerRecord": record(*map(Multiaddr.fromBytes, unlike[:200]))}],
            [{"signedPeerRecord": record(*map(Multiaddr.fromBytes, small[:700]))}],
            [{"protocols": [f"\N{PILE OF POO}{n}" for n in range(900)]}] * 2,
        )
        for fields in cases:
            data = b"".join(message(**each) for each in fields)
            read(data)
            with traced() as held:
                told = read(bytes(bytearray(data)))
                for each in told.listenAddresses:
                    str(each), each.names
                taken = held()
            self.assertTrue(told.listenAddresses or told.protocols)
            self.assertLess(taken, 256 * 1024, list(fields[0]))

    def test_tooMany(self) -> None:
        """
        Ten messages are taken, an eleventh is not.
        """
        read(message() * MAX_MESSAGES)
        with self.assertRaises(ProtocolViolation):
            read(message() * (MAX_MESSAGES + 1))

    @drawn(100, st.binary(max_size=100))
    def test_garbage(self, garbage: bytes) -> None:
        """
        Whatever comes is understood, or is a violation; it is nothing else.
        """
        for data in (garbage, delimit(garbage)):
            try:
                told = read(data)
            except ProtocolViolation:
                continue
            self.assertTrue(told.agent.isprintable())

    def test_garbageInside(self) -> None:
        """
        Fields that make no sense are left out; the others are read.
        """
        told = read(
            message(
                agentVersion="test",
                listenAddrs=[b"", b"\xff", b"\x04\x01", PUBLIC.toBytes()],
                observedAddr=b"garbage",
                signedPeerRecord=b"garbage",
            )
        )
        self.assertEqual(told, Identification(agent="test", listenAddresses=(PUBLIC,)))

    def test_notText(self) -> None:
        """
        A string that is not UTF-8 harms nobody.
        """
        told = read(
            delimit(
                b"\x1a\x02\xff\xfe"  # protocols
                b"\x1a\x02/a"
                b"\x2a\x02v\xff"  # protocolVersion
                b"\x32\x02a\xff"  # agentVersion
            )
        )
        self.assertEqual(
            told,
            Identification(
                agent="a\N{REPLACEMENT CHARACTER}",
                protocolVersion="v\N{REPLACEMENT CHARACTER}",
                protocols=("/a",),
            ),
        )

    def test_names(self) -> None:
        """
        Names are bounded, and hold nothing that a terminal would obey.
        """
        told = read(
            message(
                agentVersion="\x1b[31mred\n" + "x" * 1000,
                protocols=["/\x1b[2J", "/a\n", "", "x" * 1024, "/b", "/b"],
            )
        )
        self.assertEqual(told.agent[:7], "[31mred")
        self.assertLessEqual(len(told.agent), 256)
        self.assertEqual(told.protocols, ("/b",))

    def test_manyProtocols(self) -> None:
        """
        Of 2000 protocols the first 1024 are taken.
        """
        names = [f"/{number}" for number in range(2000)]
        parts = [names[start : start + 1000] for start in range(0, 2000, 1000)]
        told = read(b"".join(message(protocols=part) for part in parts))
        self.assertEqual(told.protocols, tuple(names[:MAX_PROTOCOLS]))

    def test_manyAddresses(self) -> None:
        """
        Of 1500 addresses the first 500 are taken.
        """
        addresses = [public(number) for number in range(1500)]
        told = read(
            b"".join(
                message(
                    listenAddrs=[each.toBytes() for each in addresses[at : at + 500]]
                )
                for at in range(0, 1500, 500)
            )
        )
        self.assertEqual(told.listenAddresses, tuple(addresses[:MAX_ADDRESSES]))

    def test_manyUnreadable(self) -> None:
        """
        Nor are more read: forty thousand that are none would take a fifth of a
        second, each time.
        """
        good = [public(1).toBytes(), public(2).toBytes()]
        bad = [b""] * (MAX_ADDRESSES - 1)
        told = read(message(listenAddrs=[good[0], *bad, good[1]]))
        self.assertEqual(told.listenAddresses, (public(1),))

    def test_scope(self) -> None:
        """
        Addresses that cannot be reached where the peer is are not believed,
        signed or not.
        """
        encoded = [each.toBytes() for each in ALL]
        for data in (
            message(listenAddrs=encoded),
            message(signedPeerRecord=record(*ALL)),
        ):
            self.assertEqual(read(data).listenAddresses, (PUBLIC, NAMED))
            self.assertEqual(read(data, remote=LOOPBACK).listenAddresses, tuple(ALL))

    def test_undialable(self) -> None:
        """
        Addresses of other peers, of no host, and of every host are left out;
        the peer's own id at the end is nothing new.
        """
        told = read(
            message(
                listenAddrs=[
                    each.toBytes()
                    for each in (
                        PRIVATE.withPeer(STRANGER.peerID),
                        Multiaddr(f"/p2p/{PEER.peerID}"),
                        Multiaddr("/ip4/0.0.0.0/tcp/4001"),
                        Multiaddr("/ip6/::/tcp/4001"),
                        PUBLIC.withPeer(PEER.peerID),
                        PUBLIC,
                    )
                ]
            ),
            remote=LOOPBACK,
        )
        self.assertEqual(told.listenAddresses, (PUBLIC,))

    def test_spelled(self) -> None:
        """
        Nor are addresses within believed that do not look like it, from outside.
        """
        within = [
            "/ip6/::ffff:127.0.0.1/tcp/1",
            "/ip6/::ffff:0.0.0.0/tcp/1",
            "/ip6/64:ff9b::10.0.0.1/tcp/1",
            "/ip6/2002:7f00:1::1/tcp/1",
            "/ip4/0.1.2.3/tcp/1",
            "/ip4/224.0.0.1/tcp/1",
            "/dns4/localhost/tcp/1",
            "/dns4/127.1/tcp/1",
            "/memory/1",
        ]
        data = message(
            listenAddrs=[Multiaddr(each).toBytes() for each in within]
            + [PUBLIC.toBytes()]
        )
        for remote in (
            PUBLIC,
            None,
            Multiaddr(f"/ip4/127.0.0.1/tcp/1/p2p/{STRANGER.peerID}/p2p-circuit"),
        ):
            self.assertEqual(read(data, remote=remote).listenAddresses, (PUBLIC,))

    def test_withdrawn(self) -> None:
        """
        A record without an address says that there is none any more, and so
        do addresses of which none is believed.
        """
        before = Identification(listenAddresses=(PUBLIC,))
        for data in (
            message(signedPeerRecord=record()),
            message(listenAddrs=[LOOPBACK.toBytes()]),
        ):
            self.assertEqual(read(data, before).listenAddresses, ())

    def test_record(self) -> None:
        """
        What is signed is worth more than what is only said.
        """
        told = read(
            message(listenAddrs=[NAMED.toBytes()], signedPeerRecord=record(PUBLIC))
        )
        self.assertEqual(told.listenAddresses, (PUBLIC,))
        self.assertEqual(told.record, record(PUBLIC))
        self.assertEqual(told.sequence, 1)

    def test_foreignRecord(self) -> None:
        """
        The record of another peer changes nothing.
        """
        told = read(
            message(signedPeerRecord=record(PUBLIC, identity=STRANGER)),
            Identification(listenAddresses=(NAMED,)),
        )
        self.assertEqual(told, Identification(listenAddresses=(NAMED,)))

    def test_oldRecord(self) -> None:
        """
        A record of a lower number changes nothing, and what is said beside it
        nothing of the addresses; one of the same number does, and of a higher.
        """
        before = read(message(signedPeerRecord=record(PUBLIC, sequence=7)))
        old = message(
            listenAddrs=[NAMED.toBytes()],
            signedPeerRecord=record(NAMED, sequence=6),
        )
        self.assertEqual(read(old, before), before)
        for sequence in (7, 8):
            new = message(signedPeerRecord=record(NAMED, sequence=sequence))
            after = read(new, before)
            self.assertEqual(after.listenAddresses, (NAMED,))
            self.assertEqual(after.sequence, sequence)

    def test_foreignKey(self) -> None:
        """
        Whoever claims the key of another peer is not believed at all, of
        whatever kind the own key is.
        """
        for peer in (PEER, Identity.generate(KeyType.RSA)):
            read(message(publicKey=peer.publicKey.toBytes()), peer=peer)
            with self.assertRaises(ProtocolViolation):
                read(message(publicKey=STRANGER.publicKey.toBytes()), peer=peer)

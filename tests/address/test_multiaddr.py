# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.address.multiaddr} and
L{twisted_libp2p.address.protocols}.
"""

from __future__ import annotations

import contextlib

import multiaddr as oracle
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.examples import drawn
from tests.traced import traced
from tests.vectors import hexBytes, vector, vectors
from twisted_libp2p.address import Component, Multiaddr
from twisted_libp2p.address.multiaddr import (
    MAX_BYTES,
    MAX_COMPONENTS,
    MAX_TEXT,
    _parseBytes,
)
from twisted_libp2p.address.protocols import BY_CODE, BY_NAME
from twisted_libp2p.errors import InvalidMultiaddr
from twisted_libp2p.identity import PeerID
from twisted_libp2p.wire import delimit, varint

PEER = vector("key.test_identity_01")["peer_id"]
RELAY = vector("key.rsa4096")["peer_id"]

ONION3 = "vww6ybal4bd7szmgncyruucpgfkqahzddi37ktceo3ah7ngmcopnpyyd"
QUIC = "/ip4/192.0.2.1/udp/4001/quic-v1"

# Components, whole and cut off, and what looks like some.
PIECES = [
    *(
        Multiaddr(text).toBytes()
        for text in (
            "/ip4/192.0.2.1", "/ip6/::1", "/tcp/1", "/udp/53", "/ws", "/tls",
            "/quic-v1", "/memory/1", "/dns/a", "/p2p-circuit", "/ipcidr/8",
        )
    ),
    b"\x04\x01", b"\xdd", b"\x86\x00", b"\x80", b"\xff\xff\x03",
]  # fmt: skip

CERTHASH = "uEiDDq4_xNyDorZBH3TlGazyJdOWSwvo4PUo5YHFMrvDE8g"

# One of each protocol in text, and its bytes in hex: those of onion and onion3
# as in the tests of go-multiaddr, the others by the rule.
EXAMPLES = (
    ("/ip4/127.0.0.1/udp/1234", "047f000001910204d2"),
    ("/ip4/0.0.0.0/tcp/0", "0400000000060000"),
    ("/ip4/255.255.255.255/tcp/65535", "04ffffffff06ffff"),
    (
        "/ip6/2601:9:4f81:9700:803e:ca65:66e8:c21",
        "29260100094f819700803eca6566e80c21",
    ),
    ("/ip6/::1", "2900000000000000000000000000000001"),
    ("/ip6/::ffff:127.0.0.1", "2900000000000000000000ffff7f000001"),
    (
        "/ip6zone/x/ip6/fe80::1",
        "2a017829fe800000000000000000000000000001",
    ),
    ("/ip4/127.0.0.1/ipcidr/16", "047f0000012b10"),
    ("/dns/example.com", "350b6578616d706c652e636f6d"),
    ("/dns4/a", "360161"),
    ("/dns6/a", "370161"),
    ("/dnsaddr/a", "380161"),
    ("/dns/b\u00fccher.example", "350f62c3bc636865722e6578616d706c65"),
    ("/webrtc-direct/certhash/" + CERTHASH, None),
    ("/webrtc", "9902"),
    ("/p2p-circuit", "a202"),
    ("/unix/a/b/c/d/e", "90030a2f612f622f632f642f65"),
    ("/https", "bb03"),
    ("/onion/aaimaq4ygg2iegci:80", "bc030010c0439831b48218480050"),
    (
        f"/onion3/{ONION3}:1234",
        "bd03adadec040be047f9658668b11a504f3155001f231a37f54c4476c07fb4cc139ed7e30304d2",
    ),
    ("/tls/sni/a/ws", "c003c1030161dd03"),
    ("/noise", "c603"),
    ("/quic", "cc03"),
    ("/quic-v1/webtransport", "cd03d103"),
    ("/wss", "de03"),
    ("/http/http-path/tmp%2Fb%20r", "e003e10307746d702f622072"),
    ("/memory/1234", "890600000000000004d2"),
    (f"/p2p/{PEER}", "a50326" + vector("key.test_identity_01")["multihash_hex"]),
)

# Values that both the package multiaddr and we know in the same form.
names = st.from_regex(r"[a-z]([a-z0-9-]{0,10}[a-z0-9])?(\.[a-z]{2,5})?", fullmatch=True)
ports = st.integers(0, 65535)
oracleComponents = st.one_of(
    st.ip_addresses(v=4).map("/ip4/{}".format),
    st.ip_addresses(v=6).map("/ip6/{}".format),
    st.tuples(st.sampled_from(["tcp", "udp"]), ports).map("/%s/%d".__mod__),
    st.tuples(st.sampled_from(["dns", "dns4", "dns6", "dnsaddr", "sni"]), names).map(
        "/%s/%s".__mod__
    ),
    st.integers(0, 128).map("/ipcidr/{}".format),
    st.sampled_from([PEER, RELAY]).map("/p2p/{}".format),
    st.integers(1, 65535).map("/onion/timaq4ygg2iegci7:{}".format),
    st.integers(1, 65535).map((f"/onion3/{ONION3}:" + "{}").format),
    st.integers(0, 1 << 64 - 1).map("/memory/{}".format),
    st.just(f"/certhash/{CERTHASH}"),
    st.sampled_from([f"/{each.name}" for each in BY_CODE.values() if each.size == 0]),
)
oracleTexts = st.lists(oracleComponents, min_size=1, max_size=6).map("".join)


class TableTests(SynchronousTestCase):
    """
    The table of the protocols.
    """

    def test_vectors(self) -> None:
        """
        Codes and sizes are those of the vectors, and there are no others.
        """
        found = set()
        for name, entry in vectors("multiaddr.code."):
            protocol = BY_NAME[name.removeprefix("multiaddr.code.")]
            found.add(protocol)
            self.assertEqual(protocol.code, entry["code"], name)
            self.assertEqual(
                varint.encode(protocol.code), hexBytes(entry, "code"), name
            )
            # Nobody agrees on the size of /memory; the vectors leave it open.
            if protocol.name != "memory":
                bits = entry["value_bits"]
                size = None if bits is None else bits // 8
                self.assertEqual(protocol.size, size, name)
        self.assertEqual(found, set(BY_CODE.values()))

    def test_examples(self) -> None:
        """
        There is an example of every protocol.
        """
        seen = {name for text, _ in EXAMPLES for name in Multiaddr(text).names}
        self.assertEqual(seen, {each.name for each in BY_CODE.values()})


class FormTests(SynchronousTestCase):
    """
    Text becomes bytes, and bytes text.
    """

    def test_vectors(self) -> None:
        """
        The addresses of the vectors, in both directions.
        """
        for name in ("multiaddr.ip4_udp", "multiaddr.ip4_tcp"):
            entry = vector(name)
            self.assertEqual(
                Multiaddr(entry["text"]).toBytes(), hexBytes(entry, "bytes")
            )
            address = Multiaddr.fromBytes(hexBytes(entry, "bytes"))
            self.assertEqual(str(address), entry["text"])

    def test_examples(self) -> None:
        """
        Every protocol, in both directions.
        """
        for text, encoded in EXAMPLES:
            address = Multiaddr(text)
            self.assertEqual(str(address), text)
            if encoded is not None:
                self.assertEqual(address.toBytes().hex(), encoded, text)
            again = Multiaddr.fromBytes(address.toBytes())
            self.assertEqual(again, address)
            self.assertEqual(str(again), text)
            self.assertEqual(list(again), list(address))

    def test_otherSpellings(self) -> None:
        """
        What can be written in several ways is read in all of them, and given
        back in one.
        """
        cid = PeerID.fromText(PEER).toCID
        for text, canonical in (
            ("/ip4/1.2.3.4/", "/ip4/1.2.3.4"),
            ("/ws/", "/ws"),
            ("/unix/tmp/", "/unix/tmp"),
            (f"/ipfs/{PEER}", f"/p2p/{PEER}"),
            (f"/p2p/{cid()}", f"/p2p/{PEER}"),
            (f"/p2p/{cid('base36')}", f"/p2p/{PEER}"),
            ("/ip6/0:0:0:0:0:0:0:1", "/ip6/::1"),
            ("/ip6/2001:DB8::0:1", "/ip6/2001:db8::1"),
            # RFC 5952: the longest run of zeros, the first of equals, and
            # never a single one.
            ("/ip6/2001:db8:0:0:1:0:0:1", "/ip6/2001:db8::1:0:0:1"),
            ("/ip6/2001:0:0:1:0:0:0:1", "/ip6/2001:0:0:1::1"),
            ("/ip6/2001:db8:0:1:1:1:1:1", "/ip6/2001:db8:0:1:1:1:1:1"),
            ("/onion/TIMAQ4YGG2IEGCI7:80", "/onion/timaq4ygg2iegci7:80"),
            ("/ip6/::ffff:0102:0304", "/ip6/::ffff:1.2.3.4"),
            ("/http-path/%61%2f", "/http-path/a%2F"),
            (
                "/certhash/f1220" + "ab" * 32,
                "/certhash/uEiCrq6urq6urq6urq6urq6urq6urq6urq6urq6urq6urqw",
            ),
        ):
            self.assertEqual(str(Multiaddr(text)), canonical)
            self.assertEqual(Multiaddr(text), Multiaddr(canonical))

    def test_wrongText(self) -> None:
        """
        What is no multiaddr is refused, and the error says which part.
        """
        for text, reason in (
            ("", "begin"),
            ("/", "empty"),
            ("//", "empty"),
            ("ip4/1.2.3.4", "begin"),
            ("/ip4", "needs a value"),
            ("/ip4/", "needs a value"),
            ("/ip4//tcp/1", "needs a value"),
            ("//ip4/1.2.3.4", "empty component"),
            ("/ip4/1.2.3.4//tcp/1", "empty component"),
            ("/ip4/1.2.3.4//", "empty component"),
            ("/ws//", "empty component"),
            ("/unix", "needs a value"),
            ("/unix/", "needs a value"),
            ("/nothing/1", "'nothing'"),
            ("/IP4/1.2.3.4", "'IP4'"),
            ("/ip4/1.2.3", "/ip4"),
            ("/ip4/1.2.3.256", "/ip4"),
            ("/ip4/1.2.3.04", "/ip4"),
            ("/ip4/::1", "/ip4"),
            ("/ip4/tcp/80", "/ip4"),
            ("/ip6/1.2.3.4", "/ip6"),
            ("/ip6/fe80::1%eth0", "zone"),
            ("/ip6/1::2::3", "/ip6"),
            ("/tcp/65536", "/tcp"),
            ("/tcp/-1", "/tcp"),
            ("/tcp/+1", "/tcp"),
            ("/tcp/080", "zeros"),
            ("/tcp/1_0", "/tcp"),
            ("/tcp/ 1", "/tcp"),
            ("/tcp/\u0661", "/tcp"),
            ("/tcp/http", "/tcp"),
            ("/tcp/" + "1" * 4000, "/tcp"),
            ("/ipcidr/129", "128"),
            ("/dns/a b", "printed"),
            ("/dns/a\nb", "printed"),
            ("/dns/\ud800", "/dns"),
            ("/unix/a\0b", "printed"),
            ("/ws/1", "'1'"),
            ("/p2p/xyz", "/p2p"),
            (
                "/p2p/bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy",
                "/p2p",
            ),
            ("/onion/timaq4ygg2iegci7", "/onion"),
            ("/onion/timaq4ygg2iegci7:0", "port 0"),
            ("/onion/timaq4ygg2iegci7:65536", "/onion"),
            ("/onion/timaq4ygg2iegci:80", "/onion"),
            ("/onion/timaq4ygg2iegci1:80", "/onion"),
            ("/onion/timaq4ygg2iegci=:80", "/onion"),
            (f"/onion3/{ONION3}", "/onion3"),
            (f"/onion3/{ONION3[1:]}:80", "/onion3"),
            (f"/onion3/a{ONION3[1:]}:80", "checksum is wrong"),
            (f"/onion3/{ONION3[:-1]}a:80", "of version 0"),
            ("/certhash/xyz", "/certhash"),
            ("/certhash/uEiA", "multihash"),
            ("/certhash/u", "multihash"),
            ("/certhash/uEg", "multihash"),
            ("/certhash/uEgA", "multihash"),
            ("/http-path/%zz", "%"),
            ("/http-path/a%2", "%"),
            ("/memory/18446744073709551616", "/memory"),
            ("/memory/x", "/memory"),
        ):
            error = self.assertRaises(InvalidMultiaddr, Multiaddr, text)
            self.assertIn(reason, str(error), text)
            self.assertNotIn("\n", str(error))

    def test_wrongBytes(self) -> None:
        """
        Bytes that have no text are refused, and the error says which part.
        """
        for encoded, reason in (
            ("", "empty"),
            ("05", "unknown protocol code 5"),
            ("8400", "byte 0"),
            ("047f00000186000fa1", "byte 5"),
            ("ffffffffffffffffff01", "byte 0"),
            ("3500", "needs a value"),
            ("3502ff", "cut off"),
            ("3501ff", "/dns"),
            ("35012f", "slash"),
            ("35010a", "printed"),
            ("35ffffffffffffffff7f61", "cut off"),
            ("35810061", "byte 1"),
            ("2b81", "128"),
            ("9003026162", "slash"),
            ("900303 2f612f", "slash"),
            ("bd03" + "00" * 34 + "040001", "version 4"),
            ("bd03" + "00" * 34 + "030001", "checksum"),
            ("a503021220", "/p2p"),
            ("a50303001161", "/p2p"),
            ("bc03" + "00" * 12, "port 0"),
            ("d203021220", "multihash"),
            ("d203021200", "multihash"),
        ):
            data = bytes.fromhex(encoded)
            error = self.assertRaises(InvalidMultiaddr, Multiaddr.fromBytes, data)
            self.assertIn(reason, str(error), encoded)

    def test_truncated(self) -> None:
        """
        An address that is cut off is refused, unless the cut is between two
        components.
        """
        for text, _ in EXAMPLES:
            encoded = Multiaddr(text).toBytes()
            whole = []
            for size in range(len(encoded)):
                with contextlib.suppress(InvalidMultiaddr):
                    whole.append(Multiaddr.fromBytes(encoded[:size]))
            self.assertEqual(len(whole), len(Multiaddr(text)) - 1, text)
            for part in whole:
                self.assertTrue(Multiaddr(text).startsWith(part))

    def test_limits(self) -> None:
        """
        Addresses of more than the documented size are refused, in either form;
        none of less, however long its text is.
        """
        longest = "/http-path/" + "%20" * (MAX_BYTES - 4)
        data = Multiaddr(longest).toBytes()
        self.assertEqual(len(data), MAX_BYTES)
        self.assertEqual(str(Multiaddr.fromBytes(data)), longest)
        self.assertRaises(InvalidMultiaddr, Multiaddr, longest + "%20")
        self.assertRaises(InvalidMultiaddr, Multiaddr.fromBytes, data + b"\xdd\x03")
        self.assertRaises(InvalidMultiaddr, Multiaddr, "/ws/" * MAX_TEXT)

    def test_manyComponents(self) -> None:
        """
        Sixteen components are read, in either form, and made; seventeen are not,
        however few bytes they have.
        """
        for name in ("ws", "webrtc-direct", "tcp/1"):
            longest = f"/{name}" * MAX_COMPONENTS
            address = Multiaddr(longest)
            self.assertEqual(len(address), 16)
            self.assertEqual(str(Multiaddr.fromBytes(address.toBytes())), longest)
            one = Multiaddr(f"/{name}")
            for text in (f"{longest}/{name}", f"{longest}/{name}/"):
                self.assertRaises(InvalidMultiaddr, Multiaddr, text)
            self.assertRaises(
                InvalidMultiaddr,
                Multiaddr.fromBytes,
                address.toBytes() + one.toBytes(),
            )
            self.assertRaises(InvalidMultiaddr, address.encapsulate, one)
            self.assertRaises(InvalidMultiaddr, one.encapsulate, address)
            self.assertRaises(InvalidMultiaddr, address.withPeer, PeerID.fromText(PEER))
        # The parts of a path are no components.
        self.assertEqual(len(Multiaddr("/unix" + "/a" * 100)), 1)

    def test_longTogether(self) -> None:
        """
        Two addresses that are too long together are not joined: nobody could
        read the result.
        """
        half = Multiaddr("/dns/" + "a" * (MAX_BYTES // 2))
        self.assertRaises(InvalidMultiaddr, half.encapsulate, half)

    def test_memory(self) -> None:
        """
        An address takes little more memory than its bytes, whatever it is made
        of, and whatever was asked of it.
        """
        texts = [
            "/ws" * MAX_COMPONENTS,
            "/ip4/1.2.3.4" * MAX_COMPONENTS,
            "/dns/" + "a" * 1000,
            "/http-path/" + "%20" * 1000,
        ]
        samples = [Multiaddr(text).toBytes() for text in texts]
        for sample in samples:
            Multiaddr.fromBytes(sample)
        kept = [Multiaddr("/ip4/192.0.2.1/tcp/4001")] * 1000
        with traced() as held:
            for place in range(len(kept)):
                sample = samples[place % len(samples)]
                address = kept[place] = Multiaddr.fromBytes(bytes(bytearray(sample)))
                str(address), address.names, address.value("dns")
                address.withoutPeer(), list(address), hash(address)
            taken = held()
        sizes = sum(len(address.toBytes()) for address in kept)
        self.assertLess(taken, sizes + 150 * len(kept))

    @drawn(200, st.binary(max_size=60))
    def test_garbageBytes(self, data: bytes) -> None:
        """
        Bytes are refused, or have a text that gives them back.
        """
        self.assertStable(data)

    @drawn(50, st.binary(max_size=40))
    def test_garbageValues(self, value: bytes) -> None:
        """
        So are the bytes of a value of every protocol.
        """
        for protocol in BY_CODE.values():
            code = varint.encode(protocol.code)
            self.assertStable(code + value[: protocol.size])
            if protocol.size is None:
                self.assertStable(code + delimit(value))

    def assertStable(self, data: bytes) -> None:
        """
        Assert that bytes are refused, or given back by the text that they have.
        """
        try:
            address = Multiaddr.fromBytes(data)
        except InvalidMultiaddr:
            return
        self.assertEqual(address.toBytes(), data)
        self.assertEqual(Multiaddr(str(address)).toBytes(), data)

    @drawn(
        200,
        st.lists(
            st.one_of(st.sampled_from(list(BY_NAME)), st.text(max_size=8)), max_size=6
        ),
    )
    def test_garbageText(self, parts: list[str]) -> None:
        """
        Text is refused, or has bytes that give back its canonical form.
        """
        try:
            address = Multiaddr("/" + "/".join(parts))
        except InvalidMultiaddr:
            return
        self.assertEqual(str(Multiaddr.fromBytes(address.toBytes())), str(address))

    @drawn(100, oracleTexts)
    def test_oracle(self, text: str) -> None:
        """
        The package multiaddr gives the same bytes for a text, and the same text
        for these bytes.
        """
        ours, theirs = Multiaddr(text), oracle.Multiaddr(text)
        self.assertEqual(ours.toBytes(), theirs.to_bytes())
        again = oracle.Multiaddr(ours.toBytes())
        self.assertEqual(Multiaddr(str(again)), ours)


class ValueTests(SynchronousTestCase):
    """
    Addresses are values, made of components.
    """

    address = Multiaddr(f"/ip4/192.0.2.1/tcp/4001/ws/p2p/{PEER}")

    def test_components(self) -> None:
        """
        An address is a sequence of components.
        """
        components = list(self.address)
        self.assertEqual(len(self.address), 4)
        self.assertEqual(
            components[:3],
            [
                Component("ip4", 4, "192.0.2.1", b"\xc0\x00\x02\x01"),
                Component("tcp", 6, "4001", b"\x0f\xa1"),
                Component("ws", 477, None, b""),
            ],
        )
        self.assertEqual(self.address.names, ("ip4", "tcp", "ws", "p2p"))

    def test_value(self) -> None:
        """
        Values are found by name, the first one if there are several.
        """
        self.assertEqual(self.address.value("tcp"), "4001")
        self.assertIsNone(self.address.value("ws"))
        self.assertIsNone(self.address.value("udp"))
        self.assertEqual(Multiaddr("/tcp/1/tcp/2").value("tcp"), "1")

    @drawn(200, st.lists(st.sampled_from(PIECES), max_size=5))
    def test_names(self, pieces: list[bytes]) -> None:
        """
        The names of usual addresses, which are known at a glance, are those of their
        components.
        """
        for data in (b"".join(pieces), Multiaddr(QUIC).toBytes()):
            with contextlib.suppress(InvalidMultiaddr):
                address = Multiaddr.fromBytes(data)
                self.assertEqual(address.names, tuple(each.name for each in address))

    def test_first(self) -> None:
        """
        An address has the name of its first protocol.
        """
        for text in ("/ws", "/ip4/192.0.2.1/tcp/1", "/dns4/a/tcp/1", "/unix/a/b"):
            address = Multiaddr(text)
            self.assertEqual(address.first, address.names[0])
        self.assertEqual(Multiaddr("/ws").decapsulate(Multiaddr("/ws")).first, "")

    @drawn(300, st.lists(st.sampled_from(PIECES), max_size=19), st.binary(max_size=2))
    def test_plain(self, pieces: list[bytes], tail: bytes) -> None:
        """
        What is accepted at a glance is what is accepted when it is read.
        """
        data = b"".join(pieces) + tail
        try:
            address = Multiaddr.fromBytes(data)
        except InvalidMultiaddr:
            self.assertRaises(InvalidMultiaddr, lambda: list(_parseBytes(data)))
        else:
            self.assertEqual(list(_parseBytes(data)), list(address))
            self.assertEqual(Multiaddr(str(address)), address)

    def test_host(self) -> None:
        """
        The IP address that an address begins with is known in bytes.
        """
        for text, host in (
            ("/ip4/192.0.2.1", b"\xc0\x00\x02\x01"),
            ("/ip4/192.0.2.1/tcp/1/ws", b"\xc0\x00\x02\x01"),
            ("/ip6/::1/tcp/1", bytes(15) + b"\x01"),
            ("/ip6zone/eth0/ip6/::1/tcp/1", bytes(15) + b"\x01"),
            ("/ip6zone/eth0", None),
            ("/ip6zone/eth0/tcp/1/ip6/::1", None),
            ("/dns/example.org/tcp/1/ip4/192.0.2.1", None),
        ):
            self.assertEqual(Multiaddr(text).host, host, text)
            again = Multiaddr.fromBytes(Multiaddr(text).toBytes())
            self.assertEqual(again.host, host, text)
        self.assertIsNone(self.address.decapsulate(self.address).host)

    def test_bytesFirst(self) -> None:
        """
        An address that came in bytes is the one that came in text, whatever is
        asked of it first.
        """
        text = "/ip4/192.0.2.1/tcp/4001"
        known = Multiaddr(text)
        for ask in (
            str,
            len,
            list,
            bool,
            hash,
            lambda each: each.names,
            lambda each: each.host,
            lambda each: each.value("tcp"),
            lambda each: each.peerID,
            lambda each: each.withoutPeer(),
            lambda each: each.encapsulate(Multiaddr("/ws")),
            lambda each: each.decapsulate(Multiaddr("/tcp/4001")),
        ):
            address = Multiaddr.fromBytes(known.toBytes())
            self.assertEqual(ask(address), ask(known))
            self.assertEqual(list(address), list(known))
            self.assertEqual(str(address), text)

    def test_equality(self) -> None:
        """
        Addresses are hashed, compared and ordered by their bytes.
        """
        again = Multiaddr.fromBytes(self.address.toBytes())
        other = Multiaddr("/ip4/192.0.2.1/udp/4001")
        self.assertEqual({self.address, again, other}, {self.address, other})
        self.assertEqual(sorted([other, self.address]), [self.address, other])
        self.assertNotEqual(self.address, str(self.address))
        self.assertTrue(self.address <= again and not self.address < again)
        self.assertRaises(TypeError, lambda: self.address < 1)

    def test_repr(self) -> None:
        """
        The text is shown.
        """
        self.assertEqual(repr(Multiaddr("/ws")), "<Multiaddr /ws>")

    def test_startsWith(self) -> None:
        """
        The beginning is compared by components, not by characters.
        """
        self.assertTrue(self.address.startsWith(Multiaddr("/ip4/192.0.2.1/tcp/4001")))
        self.assertTrue(self.address.startsWith(self.address))
        self.assertFalse(self.address.startsWith(Multiaddr("/ip4/192.0.2.1/tcp/400")))
        self.assertFalse(Multiaddr("/ws").startsWith(self.address))

    def test_encapsulate(self) -> None:
        """
        Addresses are put behind each other.
        """
        address = Multiaddr("/ip4/192.0.2.1").encapsulate(Multiaddr("/tcp/80/ws"))
        self.assertEqual(str(address), "/ip4/192.0.2.1/tcp/80/ws")
        self.assertEqual(address, Multiaddr("/ip4/192.0.2.1/tcp/80/ws"))

    def test_encapsulatePath(self) -> None:
        """
        After a path other components may follow; its slashes are hidden then.
        """
        path = Multiaddr("/unix/a/b")
        self.assertEqual(str(path.encapsulate("/ws")), "/unix/%2Fa%2Fb/ws")
        full = path.withPeer(PEER)
        self.assertEqual(str(full), f"/unix/%2Fa%2Fb/p2p/{PEER}")
        self.assertEqual(str(full.peerID), PEER)
        self.assertEqual(full.withoutPeer(), path)

    def test_withoutFirst(self) -> None:
        """
        All but the first component, in text and in bytes.
        """
        for text, expected in (
            ("/ip4/192.0.2.1/tcp/1", "/tcp/1"),
            ("/dns4/a/tcp/1/ws", "/tcp/1/ws"),
            ("/tcp/1", "/"),
        ):
            rest = Multiaddr(text).withoutFirst()
            self.assertEqual(str(rest), expected)
            first = Multiaddr(text).names[0]
            self.assertEqual(len(rest), len(Multiaddr(text)) - 1, first)
            self.assertTrue(Multiaddr(text).toBytes().endswith(rest.toBytes()))

    def test_decapsulate(self) -> None:
        """
        An address is cut at the last occurrence of another.
        """
        address = Multiaddr("/tcp/1/ws/tcp/1/ws/tcp/2")
        for other, expected in (
            ("/tcp/1", "/tcp/1/ws"),
            ("/tcp/1/ws", "/tcp/1/ws"),
            ("/ws", "/tcp/1/ws/tcp/1"),
            ("/tcp/2", "/tcp/1/ws/tcp/1/ws"),
            ("/tcp/3", "/tcp/1/ws/tcp/1/ws/tcp/2"),
            ("/tcp/1/ws/tcp/1/ws/tcp/2", "/"),
        ):
            self.assertEqual(str(address.decapsulate(Multiaddr(other))), expected)

    def test_empty(self) -> None:
        """
        What is left when all was taken away is false and has no bytes; things
        can be put behind it.
        """
        empty = self.address.decapsulate(self.address)
        self.assertFalse(empty)
        self.assertEqual((len(empty), empty.toBytes()), (0, b""))
        self.assertIsNone(empty.peerID)
        self.assertEqual(empty.encapsulate(self.address), self.address)
        self.assertEqual(self.address.encapsulate(empty), self.address)

    def test_peerID(self) -> None:
        """
        The peer is the one at the end; one before a relayed part is the relay.
        """
        self.assertEqual(self.address.peerID, PeerID.fromText(PEER))
        relayed = Multiaddr(f"/ip4/192.0.2.1/tcp/1/p2p/{RELAY}/p2p-circuit")
        self.assertIsNone(relayed.peerID)
        self.assertEqual(
            relayed.withPeer(PeerID.fromText(PEER)).peerID, PeerID.fromText(PEER)
        )
        self.assertEqual(
            str(relayed.withPeer(PeerID.fromText(PEER))), f"{relayed}/p2p/{PEER}"
        )

    def test_withPeer(self) -> None:
        """
        A peer is put at the end, or in place of the one that is there.
        """
        bare = Multiaddr("/ip4/192.0.2.1/tcp/4001/ws")
        peerID = PeerID.fromText(PEER)
        self.assertEqual(bare.withPeer(peerID), self.address)
        self.assertEqual(self.address.withPeer(peerID), self.address)
        other = bare.withPeer(PeerID.fromText(RELAY))
        self.assertEqual(other.withPeer(peerID), self.address)

    def test_withoutPeer(self) -> None:
        """
        The peer at the end is taken away, none elsewhere.
        """
        bare = Multiaddr("/ip4/192.0.2.1/tcp/4001/ws")
        self.assertEqual(self.address.withoutPeer(), bare)
        self.assertEqual(bare.withoutPeer(), bare)
        relayed = Multiaddr(f"/p2p/{RELAY}/p2p-circuit")
        self.assertEqual(relayed.withoutPeer(), relayed)
        self.assertFalse(Multiaddr(f"/p2p/{PEER}").withoutPeer())

    def test_relayed(self) -> None:
        """
        An address with C{/p2p-circuit} anywhere leads through a relay; bytes of another
        value that look like its code do not.
        """
        for text in (
            f"/ip4/192.0.2.1/tcp/1/p2p/{RELAY}/p2p-circuit",
            f"/p2p/{RELAY}/p2p-circuit/p2p/{PEER}",
            "/p2p-circuit",
        ):
            self.assertTrue(Multiaddr(text).relayed, text)
        # The code of p2p-circuit is 0xA2 0x02.
        for text in (
            "/ip4/192.0.2.1/tcp/1",
            "/ip4/162.2.162.2/tcp/41474",
            "/ip6/2001:db8:a202::a202/udp/41474",
            f"/dns4/example.com/tcp/1/p2p/{PEER}",
        ):
            self.assertFalse(Multiaddr(text).relayed, text)
        self.assertFalse(Multiaddr("/p2p-circuit").withoutFirst().relayed)

    def test_likePeer(self) -> None:
        """
        Bytes of an IP address or a port that look like the code of a peer are not taken
        for it.
        """
        # The code of p2p is 0xA5 0x03.
        for text in (
            "/ip4/165.3.165.3",
            "/ip4/165.3.165.3/tcp/42243",
            "/ip4/192.0.2.1/tcp/42243",
            "/ip6/2001:db8:a503::a503",
            "/ip6/2001:db8:a503::a503/udp/42243",
        ):
            bare = Multiaddr(text)
            self.assertIsNone(bare.peerID)
            self.assertEqual(bare.withoutPeer(), bare)
            for peer in (PEER, RELAY):
                whole = Multiaddr(f"{text}/p2p/{peer}")
                self.assertEqual(whole.peerID, PeerID.fromText(peer))
                self.assertEqual(whole.withoutPeer(), bare)
            relayed = Multiaddr(f"{text}/p2p/{RELAY}/p2p-circuit")
            self.assertIsNone(relayed.peerID)
            self.assertEqual(relayed.withoutPeer(), relayed)

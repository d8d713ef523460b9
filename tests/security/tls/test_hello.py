# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.security.tls.hello}, and of what a stranger costs before
the handshake of TLS is done.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from hypothesis import strategies as st
from OpenSSL import SSL
from twisted.trial.unittest import SynchronousTestCase

from tests.examples import drawn
from tests.security.tls.forgery import NOW
from tests.traced import traced
from twisted_libp2p.errors import HandshakeFailed, InvalidInput
from twisted_libp2p.identity import Identity
from twisted_libp2p.interfaces import Handshake, Role
from twisted_libp2p.security.tls.certificate import HostCertificate
from twisted_libp2p.security.tls.context import Contexts
from twisted_libp2p.security.tls.handshake import LONGEST_HANDSHAKE, TLSHandshake
from twisted_libp2p.security.tls.hello import MAX_HELLO, Hello


def records(message: bytes, size: int = 2**14) -> bytes:
    """
    Put a message into records.

    @param size: the size of the content of each.
    """
    return b"".join(
        b"\x16\x03\x01" + len(part).to_bytes(2, "big") + part
        for start in range(0, len(message), size)
        for part in [message[start : start + size]]
    )


def hello(size: int) -> bytes:
    """
    Make what begins as a ClientHello, of some size.
    """
    return b"\x01" + (size - 4).to_bytes(3, "big") + bytes(size - 4)


def fed(pieces: Iterable[bytes]) -> bytes | None:
    """
    Feed pieces to a new collector, up to the end of the message.
    """
    collector = Hello()
    for piece in pieces:
        found = collector.feed(piece)
        if found is not None:
            return found
    return None


class HelloTests(SynchronousTestCase):
    """
    A ClientHello is held until it is whole.
    """

    @drawn(60, st.integers(4, 600), st.integers(1, 700), st.data())
    def test_splits(self, size: int, content: int, data: st.DataObject) -> None:
        """
        It is given back when its last byte is here, however it is split into
        records, and these into reads.
        """
        whole = records(hello(size), content)
        cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=9)))
        ends = zip([0, *cuts], [*cuts, len(whole)], strict=True)
        self.assertEqual(fed(whole[start:end] for start, end in ends), whole)
        self.assertEqual(fed(whole[at : at + 1] for at in range(len(whole))), whole)
        self.assertIsNone(fed([whole[:-1]]))

    def test_longest(self) -> None:
        """
        One that fits, with the headers of its records, is accepted.
        """
        whole = records(hello(MAX_HELLO - 5))
        self.assertEqual(len(whole), MAX_HELLO)
        self.assertEqual(fed([whole]), whole)

    def test_tooLong(self) -> None:
        """
        One that is too long is refused as soon as its length is known: in the
        header of a record, or of the message, or by its bytes.
        """
        for first in (
            records(hello(MAX_HELLO))[:5],
            records(hello(131_000), 4),
            records(hello(131_000), 1)[: 4 * 6],
        ):
            collector = Hello()
            with self.assertRaises(InvalidInput):
                collector.feed(first)
        small = records(hello(MAX_HELLO), 1)
        with self.assertRaises(InvalidInput):
            fed(small[at : at + 1] for at in range(len(small)))
        with self.assertRaises(InvalidInput):
            fed([records(hello(100))[:20], bytes(2**16)])

    def test_somethingElse(self) -> None:
        """
        Whatever does not begin with a ClientHello is refused.
        """
        for first in (
            b"GET / HTTP/1.1\r\n",
            b"\xff" * 20,
            b"\x15\x03\x01\x00\x02\x01\x00",
            b"\x14\x03\x01\x00\x01\x01",
            b"\x17\x03\x03\x00\x01\x01",
            b"\x16\x02\x00\x00\x01\x01",
            b"\x16\x03\x01\x00\x00",
            b"\x16\x03\x01\x00\x01\x02",
        ):
            with self.assertRaises(InvalidInput):
                fed([first])
            with self.assertRaises(InvalidInput):
                fed(first[at : at + 1] for at in range(len(first)))

    @drawn(100, st.lists(st.binary(max_size=40), max_size=8))
    def test_garbage(self, pieces: list[bytes]) -> None:
        """
        Any bytes are refused, or waited with.
        """
        for prefix in (b"", b"\x16\x03\x01\x00\x10\x01\x00\x00"):
            try:
                fed([prefix, *pieces])
            except InvalidInput as error:
                self.assertNotEqual(str(error), "")


class CostTests(SynchronousTestCase):
    """
    A stranger costs little before he has proven who he is.
    """

    def setUp(self) -> None:
        """
        Make a server, and count what OpenSSL is given.
        """
        self.identity = Identity.generate()
        self.contexts = Contexts(HostCertificate.sign(self.identity, NOW))
        self.given: list[int] = []
        self.made: list[SSL.Connection] = []
        given, made = self.given, self.made

        class Counted(SSL.Connection):
            """
            A connection that is counted.
            """

            def __init__(self, *args: Any) -> None:
                super().__init__(*args)
                made.append(self)

            def bio_write(self, buf: Any) -> int:
                """
                Count the bytes.
                """
                given.append(len(buf))
                return super().bio_write(buf)

        self.patch(SSL, "Connection", Counted)

    def machine(self, initiator: bool) -> TLSHandshake:
        """
        Begin on one side.
        """
        return TLSHandshake(
            Handshake(
                self.identity,
                Role.CLIENT if initiator else Role.SERVER,
                None,
                ("/a",),
                self.fail,
            ),
            lambda: NOW,
            self.contexts,
        )

    def test_silent(self) -> None:
        """
        Strangers who say nothing, or a part of their first message, or one of
        128 KiB, cost no connection of OpenSSL, and less than 10 KiB each.
        """
        first = self.machine(True).start()
        self.made.clear()
        for said in (b"", first[:-1], records(hello(131_000))[: 2**16]):
            with traced() as held:
                machines = [self.machine(False) for _ in range(50)]
                for machine in machines:
                    machine.start()
                    try:
                        machine.receive(bytes(bytearray(said)))
                    except HandshakeFailed:
                        self.assertGreater(len(said), MAX_HELLO)
                self.assertLess(held(), 50 * 10 * 1024)
        self.assertEqual(self.made, [])

    def test_bounded(self) -> None:
        """
        Nor is OpenSSL given more than 16 KiB afterwards, by a server or by a
        client, before the peer has proven who it is.
        """
        junk = b"\x17\x03\x03\x40\x00" + bytes(2**14)
        server = self.machine(False)
        server.start()
        flight = server.receive(self.machine(True).start())
        client = self.machine(True)
        client.start()
        for machine, good in ((server, b""), (client, flight[:200])):
            self.given.clear()
            if good:
                machine.receive(good)
            with self.assertRaises(HandshakeFailed):
                for _ in range(10):
                    machine.receive(junk[:10_000])
            self.assertLessEqual(sum(self.given), LONGEST_HANDSHAKE)

    def test_dataBehind(self) -> None:
        """
        What follows the last message, in the same read, is no part of the
        handshake, however long it is.
        """
        client, server = self.machine(True), self.machine(False)
        server.start()
        last = client.receive(server.receive(client.start()))
        assert client.channel is not None
        data = b"".join(client.channel.seal([b"x" * 60_000]))
        server.receive(last + data)
        assert server.channel is not None
        opened: list[bytes] = []
        server.channel.open(b"", opened)
        self.assertEqual(b"".join(opened), b"x" * 60_000)

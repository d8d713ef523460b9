# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.security.tls.channel}.
"""

from __future__ import annotations

import contextlib

from OpenSSL import SSL
from twisted.trial.unittest import SynchronousTestCase

from tests.security.tls.forgery import NOW
from tests.security.tls.sealer import ALERT, DATA, HANDSHAKE, Sealer, watchedContext
from twisted_libp2p.errors import ProtocolViolation
from twisted_libp2p.identity import Identity
from twisted_libp2p.interfaces import Handshake, Role
from twisted_libp2p.security.machine import Channel
from twisted_libp2p.security.tls.certificate import HostCertificate
from twisted_libp2p.security.tls.channel import (
    MOST_ANSWERED,
    MOST_DELAYED,
    TLSChannel,
)
from twisted_libp2p.security.tls.context import Contexts
from twisted_libp2p.security.tls.handshake import TLSHandshake

# A record takes so many bytes more than its content.
ADDED = 22

CLOSE_NOTIFY = b"\x01\x00"


def ticket(size: int) -> bytes:
    """
    Make a ticket that stands for nothing.
    """
    body = bytes(8) + b"\x01\x00" + size.to_bytes(2) + bytes(size) + b"\x00\x00"
    return b"\x04" + len(body).to_bytes(3) + body


def join(channel: TLSChannel, *pieces: bytes) -> bytes:
    """
    Seal pieces.
    """
    return b"".join(channel.seal(pieces))


def received(channel: TLSChannel, data: bytes) -> bytes:
    """
    Open some bytes.
    """
    opened: list[bytes] = []
    channel.open(data, opened)
    return b"".join(opened)


class Ends(SynchronousTestCase):
    """
    A base for tests: our side, and the other.

    @ivar client: the end of a client.
    @ivar server: the end of its server.
    @ivar peer: the last peer that was OpenSSL's.
    """

    client: TLSChannel
    server: TLSChannel
    peer: SSL.Connection

    def setUp(self) -> None:
        """
        Make an identity, and connect.
        """
        identity = Identity.generate()
        self.contexts = Contexts(HostCertificate.sign(identity, NOW))
        self.identity = identity
        self.connect()

    def machine(self, initiator: bool) -> TLSHandshake:
        """
        Begin a handshake.
        """
        handshake = Handshake(
            self.identity,
            Role.CLIENT if initiator else Role.SERVER,
            None,
            (),
            self.fail,
        )
        return TLSHandshake(handshake, lambda: NOW, self.contexts)

    def connect(self) -> None:
        """
        Make two ends.
        """
        client, server = self.machine(True), self.machine(False)
        server.start()
        last = server.receive(client.receive(server.receive(client.start())))
        assert isinstance(client.channel, TLSChannel)
        assert isinstance(server.channel, TLSChannel)
        self.client, self.server = client.channel, server.channel
        self.client.open(last, [])

    def against(self, initiator: bool) -> tuple[TLSChannel, Sealer]:
        """
        Connect our side with a peer that has no manners.

        @param initiator: whether our side opens the connection.
        """
        secrets: list[bytes] = []
        self.peer = peer = SSL.Connection(watchedContext(secrets), None)
        if initiator:
            peer.set_accept_state()
        else:
            peer.set_connect_state()
            peer.set_alpn_protos([b"libp2p"])
        machine = self.machine(initiator)
        said = machine.start()
        while True:
            if said:
                peer.bio_write(said)
            with contextlib.suppress(SSL.WantReadError):
                peer.do_handshake()
            if machine.secured is not None:
                break
            said = machine.receive(peer.bio_read(2**16))
        assert isinstance(machine.channel, TLSChannel)
        # A server of OpenSSL's has tickets for us.
        sent = peer.bio_read(2**16) if initiator else b""
        machine.channel.open(sent, [])
        return machine.channel, Sealer(secrets, not initiator, sent)

    def assertViolation(self, channel: TLSChannel, data: bytes, message: str) -> None:
        """
        These bytes are refused, by a typed error, and nothing is taken or given
        from then on.
        """
        error = self.assertRaises(ProtocolViolation, channel.open, data, [])
        self.assertEqual(error.layer, "/tls/1.0.0")
        self.assertIn(message, str(error))
        self.assertEqual(received(channel, data), b"")
        self.assertEqual(channel.seal([b"more"]), [])
        self.assertEqual(channel.late(), [])
        self.assertEqual(channel.close(), b"")


class DataTests(Ends):
    """
    Data.
    """

    def test_channel(self) -> None:
        """
        It is a channel.
        """
        channel: Channel = self.client
        self.assertTrue(channel.truncated)

    def test_sizes(self) -> None:
        """
        Writes of all sizes arrive, in as few records as possible.
        """
        for pieces, records in (
            ([b"one"], 1),
            ([b"one", b"two"], 1),
            ([bytes(2**14)], 1),
            ([bytes(2**14), b"x"], 2),
            ([bytes(2**16)], 4),
            ([bytes(2**16 + 1)], 5),
            ([bytes(range(256)) * 4096], 64),
        ):
            for sender, receiver in (
                (self.client, self.server),
                (self.server, self.client),
            ):
                sealed = join(sender, *pieces)
                content = b"".join(pieces)
                self.assertEqual(len(sealed), len(content) + ADDED * records)
                self.assertEqual(received(receiver, sealed), content)

    def test_splits(self) -> None:
        """
        Where a read ends makes no difference, and nothing is said to it.
        """
        texts = [b"one", b"two" * 30, b"three"]
        sealed = b"".join(join(self.client, text) for text in texts)
        sealed += self.client.close()
        for place in range(len(sealed) + 1):
            self.connect()
            sealed = b"".join(join(self.client, text) for text in texts)
            sealed += self.client.close()
            opened: list[bytes] = []
            self.server.open(sealed[:place], opened)
            self.assertEqual(self.server.late(), [])
            self.assertEqual(self.server.ended, place == len(sealed))
            self.server.open(sealed[place:], opened)
            self.assertEqual(b"".join(opened), b"".join(texts))
            self.assertTrue(self.server.ended)

    def test_byteByByte(self) -> None:
        """
        Nor does it if there are many reads.
        """
        sealed = join(self.client, b"data" * 100) + join(self.client, b"more")
        opened: list[bytes] = []
        for byte in sealed:
            self.server.open(bytes((byte,)), opened)
        self.assertEqual(b"".join(opened), b"data" * 100 + b"more")

    def test_padding(self) -> None:
        """
        A peer may hide how long something is.
        """
        server, peer = self.against(False)
        sealed = peer.seal(0, b"data\x00\x17" + bytes(40))
        self.assertEqual(received(server, sealed), b"data\x00")


class EndTests(Ends):
    """
    Ends, and errors of the peer.
    """

    def test_closed(self) -> None:
        """
        Our end is announced once, and nothing is sealed behind it; the peer may
        go on, and announce its own.
        """
        last = self.client.close()
        self.assertEqual(self.client.close(), b"")
        self.assertEqual(self.client.seal([b"late"]), [])
        self.assertEqual(received(self.server, last), b"")
        self.assertTrue(self.server.ended)
        self.assertFalse(self.server.truncated)
        self.assertTrue(self.client.truncated)
        self.assertEqual(received(self.client, join(self.server, b"more")), b"more")
        self.client.open(self.server.close(), [])
        self.assertTrue(self.client.ended)
        self.assertFalse(self.client.truncated)

    def test_crossed(self) -> None:
        """
        Both may announce their ends at once.
        """
        for sealed, channel in [
            (self.client.close(), self.server),
            (self.server.close(), self.client),
        ]:
            channel.open(sealed, [])
            self.assertTrue(channel.ended)

    def test_truncated(self) -> None:
        """
        An end is truncated unless it was announced, in the midst of a record
        or not.
        """
        sealed = join(self.client, b"data") + self.client.close()
        self.server.open(sealed[:10], [])
        self.assertTrue(self.server.truncated)
        self.server.open(sealed[10:-1], [])
        self.assertTrue(self.server.truncated)
        self.server.open(sealed[-1:], [])
        self.assertFalse(self.server.truncated)

    def test_behind(self) -> None:
        """
        What comes behind the peer's end does not count.
        """
        for behind in (b"x", b"garbage" * 1000):
            self.connect()
            sealed = join(self.client, b"last") + self.client.close()
            self.assertEqual(received(self.server, sealed + behind), b"last")
            self.assertEqual(received(self.server, behind), b"")
            self.assertEqual(self.server.farewell, b"")

    def test_notSealed(self) -> None:
        """
        An end or an error that nobody has sealed is not believed.
        """
        for initiator in (True, False):
            for alert in (CLOSE_NOTIFY, b"\x02\x28"):
                self.connect()
                channel = self.client if initiator else self.server
                self.assertViolation(channel, b"\x15\x03\x03\x00\x02" + alert, "record")
                self.assertFalse(channel.ended)
                self.assertIsNone(channel.alert)
                self.assertNotEqual(channel.farewell, b"")

    def test_alert(self) -> None:
        """
        The peer's error has a name, and nothing is said to it.
        """
        for number, name in ((48, "unknown ca"), (20, "bad record mac")):
            server, peer = self.against(False)
            sealed = peer.seal(ALERT, bytes((2, number)))
            self.assertViolation(server, sealed, f"the peer sent the alert: {name}")
            self.assertEqual(server.alert, name)
            self.assertEqual(server.farewell, b"")

    def test_garbage(self) -> None:
        """
        Garbage is a violation, and the peer is told by an alert; what was good
        before it is opened.
        """
        for garbage, alert in (
            (b"\x17\x03\x03\x00\x40" + bytes(64), "bad record mac"),
            (b"\x17\x03\x03\xff\xff", "record overflow"),
            (b"GET / HTTP/1.1\r\n\r\n", ""),
        ):
            self.connect()
            opened: list[bytes] = []
            data = join(self.client, b"good") + garbage
            self.assertRaises(ProtocolViolation, self.server.open, data, opened)
            self.assertEqual(opened, [b"good"])
            self.assertIsNone(self.server.alert)
            self.assertViolation(
                self.client, self.server.farewell, f"the peer sent the alert: {alert}"
            )

    def test_tampered(self) -> None:
        """
        No bit of a record can be changed, and none be left out, repeated or
        exchanged.
        """
        for place in range(5 + 4 + 17):
            self.connect()
            sealed = bytearray(join(self.client, b"data"))
            sealed[place] ^= 1
            # There is more, in case that the record has become longer.
            sealed += bytes(2**15)
            self.assertViolation(self.server, bytes(sealed), "")
        for order in ([1], [0, 0], [1, 0], [0, 2]):
            self.connect()
            records = [join(self.client, content) for content in (b"a", b"b", b"c")]
            data = b"".join(records[number] for number in order)
            self.assertViolation(self.server, data, "bad record mac")


class MessageTests(Ends):
    """
    Messages of the handshake that come behind it.
    """

    def test_tickets(self) -> None:
        """
        A client takes tickets; we do not know of them.
        """
        client, peer = self.against(True)
        for size in (32, 1000, 16000):
            for _ in range(40):
                self.assertEqual(
                    received(client, peer.seal(HANDSHAKE, ticket(size))), b""
                )
        self.assertEqual(client.late(), [])
        self.assertEqual(received(client, peer.seal(DATA, b"data")), b"data")

    def test_ticketToServer(self) -> None:
        """
        A server does not take any.
        """
        server, peer = self.against(False)
        self.assertViolation(server, peer.seal(HANDSHAKE, ticket(32)), "unexpected")

    def test_longestTicket(self) -> None:
        """
        A ticket that is too long is refused before it is there.
        """
        client, peer = self.against(True)
        begin = b"\x04" + (131_339).to_bytes(3) + bytes(100)
        self.assertViolation(client, peer.seal(HANDSHAKE, begin), "excessive")
        self.assertNotEqual(client.farewell, b"")

    def test_keyUpdate(self) -> None:
        """
        Either side may go on to its next key; one that is asked to does so as
        well.
        """
        for initiator in (True, False):
            channel, peer = self.against(initiator)
            self.assertEqual(received(channel, peer.update(False)), b"")
            self.assertEqual(channel.late(), [])
            for _ in range(3):
                self.assertEqual(received(channel, peer.update(True)), b"")
            answer = b"".join(channel.late()) + join(channel, b"next key")
            self.assertEqual(len(answer), (ADDED + 5) * 3 + ADDED + 8)
            self.assertEqual(channel.late(), [])
            self.assertEqual(received(channel, peer.seal(DATA, b"data")), b"data")
            self.peer.bio_write(answer)
            self.assertEqual(self.peer.recv(100), b"next key")

    def test_keyUpdatesAmongData(self) -> None:
        """
        Though there be data in each read, answers are not kept for long.
        """
        server, peer = self.against(False)
        size = longest = 0
        while size < 200_000:
            data = peer.update(True) + peer.seal(DATA, b"x" * 1000)
            size += len(data)
            self.assertEqual(received(server, data), b"x" * 1000)
            longest = max(longest, sum(map(len, server.late())))
        self.assertGreater(longest, 0)
        self.assertLess(longest, 70 * (ADDED + 5))

    def test_keyUpdatesWithoutEnd(self) -> None:
        """
        Who asks time and again, while we have nothing to say, is overdue.
        """
        server, peer = self.against(False)
        for _ in range(2):
            for _ in range(MOST_ANSWERED // (ADDED + 5)):
                server.open(peer.update(True), [])
                server.late()
            self.assertFalse(server.overdue)
            join(server, b"something to say")
        # OpenSSL answers when it is asked for the next time.
        for _ in range(MOST_ANSWERED // (ADDED + 5) + 2):
            server.open(peer.update(True), [])
            server.late()
        self.assertTrue(server.overdue)

    def test_nothing(self) -> None:
        """
        OpenSSL does not take many records in a row that bring nothing.
        """
        for record, most, message in (
            ((DATA, b""), 32, "record too small"),
            ((0, b"\x17" + bytes(9)), 32, "record too small"),
            ((ALERT, b"\x01\x5a"), 4, "too many warn alerts"),
        ):
            server, peer = self.against(False)
            for _ in range(most):
                self.assertEqual(received(server, peer.seal(*record)), b"")
            self.assertViolation(server, peer.seal(*record), message)

    def test_inside(self) -> None:
        """
        What is said while the peer is in the midst of a message arrives when
        it has ended.
        """
        client, peer = self.against(True)
        message = ticket(100)
        client.open(peer.seal(HANDSHAKE, message[:50]), [])
        self.assertFalse(client.waiting)
        self.assertEqual(client.seal([b"one "]), [])
        self.assertTrue(client.waiting)
        self.assertEqual(client.seal([b"two"]), [])
        self.assertEqual(client.late(), [])
        client.open(peer.seal(HANDSHAKE, message[50:60]), [])
        self.assertEqual(client.late(), [])
        self.assertEqual(client.seal([b" three"]), [])
        self.assertEqual(client.close(), b"")
        client.open(peer.seal(HANDSHAKE, message[60:]), [])
        self.peer.bio_write(b"".join(client.late()))
        self.assertEqual(self.peer.recv(100), b"one two three")
        self.assertRaises(SSL.ZeroReturnError, self.peer.recv, 100)
        self.assertFalse(client.waiting)
        self.assertEqual(client.late(), [])

    def test_closeInside(self) -> None:
        """
        So does our end.
        """
        client, peer = self.against(True)
        message = ticket(100)
        client.open(peer.seal(HANDSHAKE, message[:50]), [])
        self.assertEqual(client.close(), b"")
        self.assertTrue(client.waiting)
        client.open(peer.seal(HANDSHAKE, message[50:]), [])
        self.peer.bio_write(b"".join(client.late()))
        self.assertRaises(SSL.ZeroReturnError, self.peer.recv, 100)

    def test_endInside(self) -> None:
        """
        A peer that announces its end in the midst of a message lets nothing be
        sealed any more, and what had to wait is lost.
        """
        for waiting in (True, False):
            for initiator in (True, False):
                channel, peer = self.against(initiator)
                channel.open(peer.seal(HANDSHAKE, b"\x18\x00\x00\x01"), [])
                if waiting:
                    self.assertEqual(channel.seal([b"waits"]), [])
                channel.open(peer.seal(ALERT, CLOSE_NOTIFY), [])
                self.assertTrue(channel.ended)
                self.assertEqual(channel.late(), [])
                self.assertEqual(channel.seal([b"more"]), [])
                self.assertEqual(channel.close(), b"")
                self.assertFalse(channel.waiting)

    def test_insideWithoutEnd(self) -> None:
        """
        Who stays in the midst of a message for too long is overdue.
        """
        client, peer = self.against(True)
        client.open(peer.seal(HANDSHAKE, ticket(100)[:50]), [])
        for _ in range(MOST_DELAYED // 2**16):
            self.assertEqual(client.seal([bytes(2**16)]), [])
        self.assertFalse(client.overdue)
        self.assertEqual(client.seal([b"x"]), [])
        self.assertTrue(client.overdue)

    def test_refused(self) -> None:
        """
        Other messages, and data inside of a message, are violations.
        """
        for records in (
            [(HANDSHAKE, b"\x01\x00\x00\x00")],
            [(HANDSHAKE, b"\x0d\x00\x00\x00")],
            [(HANDSHAKE, b"\x18\x00\x00\x01\x02")],
            [(HANDSHAKE, ticket(9)[:6]), (DATA, b"data")],
            [(99, b"data")],
        ):
            client, peer = self.against(True)
            *before, last = records
            for record in before:
                client.open(peer.seal(*record), [])
            self.assertViolation(client, peer.seal(*last), "")

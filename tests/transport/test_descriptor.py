# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.transport.descriptor}.
"""

from __future__ import annotations

import socket
import subprocess
import sys
from typing import Any

from twisted.internet.error import ConnectionLost
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.tcp import Connection
from twisted.protocols.policies import ProtocolWrapper, WrappingFactory
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from twisted_libp2p.interfaces import IFlushable, ISwitchable
from twisted_libp2p.pacing.below import flushable, switchable
from twisted_libp2p.transport.descriptor import DIRECT, SocketSwitch, SocketWriter


class Registrations:
    """
    A reactor that notes which sockets it has to watch.
    """

    def __init__(self) -> None:
        self.calls: list[str] = []

    def addWriter(self, writer: object) -> None:
        """
        Note a registration.
        """
        self.calls.append("addWriter")

    def removeWriter(self, writer: object) -> None:
        """
        Note its end.
        """
        self.calls.append("removeWriter")

    def removeReader(self, reader: object) -> None:
        """
        Do nothing.
        """


class Socket(Connection):
    """
    Twisted's transport, over a socket that takes as much as the test says.

    @ivar room: the number of bytes that the socket takes, or the error that it
        reports.
    @ivar sent: the bytes that it has taken, by call.
    """

    room: int | Exception = 1 << 20

    def __init__(self, case: SynchronousTestCase) -> None:
        ours, theirs = socket.socketpair()
        case.addCleanup(ours.close)
        case.addCleanup(theirs.close)
        self.registrations = Registrations()
        reactor: Any = self.registrations
        super().__init__(ours, Protocol(), reactor)
        self.connected = True
        self.sent: list[bytes] = []

    def writeSomeData(self, data: bytes) -> int | Exception:  # type: ignore[override]
        """
        Take the bytes for which there is room.
        """
        if isinstance(self.room, Exception):
            return self.room
        taken = bytes(data[: self.room])
        self.room -= len(taken)
        if taken:
            self.sent.append(taken)
        return len(taken)


class Producer:
    """
    A producer that writes something when it is resumed.
    """

    def __init__(self, writer: SocketWriter, *data: bytes) -> None:
        self.writer = writer
        self.data = list(data)

    def resumeProducing(self) -> None:
        """
        Write the next piece, if there is one.
        """
        if self.data:
            self.writer.write(self.data.pop(0))

    def pauseProducing(self) -> None:
        """
        Do nothing.
        """

    def stopProducing(self) -> None:
        """
        Do nothing.
        """


class SocketWriterTests(SynchronousTestCase):
    """
    Bytes reach the socket at once, in order, and without a registration.
    """

    def setUp(self) -> None:
        """
        Have a writer that has sent all earlier bytes.
        """
        self.socket = Socket(self)
        self.writer = SocketWriter(self.socket)
        self.writer.writeNow(b"first")
        self.socket.sent.clear()
        self.socket.registrations.calls.clear()

    def assertSent(self, expected: bytes) -> None:
        """
        Let the reactor write, and look at all bytes.
        """
        self.socket.room = 1 << 20
        self.socket.doWrite()
        self.assertEqual(b"".join(self.socket.sent), expected)

    def test_contract(self) -> None:
        """
        The writer is what a layer gets for a transport of Twisted's.
        """
        self.assertTrue(verifyObject(IFlushable, self.writer))
        self.assertIsInstance(flushable(self.socket), SocketWriter)

    def test_direct(self) -> None:
        """
        A few bytes go to the socket without a registration.
        """
        self.writer.writeNow(b"one")
        self.writer.writeNow(b"two")
        self.assertEqual(self.socket.sent, [b"one", b"two"])
        self.assertEqual(self.socket.registrations.calls, [])

    def test_earlier(self) -> None:
        """
        Bytes that others have written before the writer was made leave first.
        """
        transport = Socket(self)
        transport.write(b"one ")
        SocketWriter(transport).writeNow(b"two")
        self.assertEqual(b"".join(transport.sent), b"one two")

    def test_written(self) -> None:
        """
        Bytes that were left to the reactor leave first.
        """
        self.writer.write(b"one ")
        self.writer.writeSequence([b"two", b" three "])
        self.assertEqual(self.socket.sent, [])
        self.writer.writeNow(b"four")
        self.assertEqual(b"".join(self.socket.sent), b"one two three four")

    def test_rest(self) -> None:
        """
        The bytes that the socket does not take are left to the reactor, and no others
        overtake them.
        """
        self.socket.room = 2
        self.writer.writeNow(b"one ")
        self.writer.writeNow(b"two ")
        self.assertEqual(self.socket.sent, [b"on"])
        self.assertIn("addWriter", self.socket.registrations.calls)
        self.assertSent(b"one two ")
        self.writer.writeNow(b"three ")
        self.writer.writeNow(b"four")
        self.assertSent(b"one two three four")

    def test_refilled(self) -> None:
        """
        Bytes of a producer that is resumed by a flush are not overtaken.
        """
        producer: Any = Producer(self.writer, b"two ", b"four ")
        self.socket.registerProducer(producer, False)
        self.writer.writeNow(b"three ")
        self.writer.writeNow(b"five")
        self.socket.unregisterProducer()
        self.assertSent(b"two three four five")

    def test_large(self) -> None:
        """
        A large piece is left to the transport, which knows how to send the rest.
        """
        data = bytes(DIRECT + 1)
        self.writer.writeNow(data)
        self.assertIn("addWriter", self.socket.registrations.calls)
        self.assertSent(data)

    def test_broken(self) -> None:
        """
        The error of a broken connection is left to the reactor, which will find it.
        """
        self.socket.room = ConnectionLost()
        self.writer.writeNow(b"one")
        self.assertEqual(self.socket.registrations.calls, ["addWriter"])
        self.assertIsInstance(self.socket.doWrite(), ConnectionLost)

    def test_closing(self) -> None:
        """
        The end of a transport that is closing is left to the reactor.
        """
        self.socket.disconnecting = True
        self.writer.writeNow(b"one")
        self.writer.flush()
        self.assertEqual(self.socket.sent, [])
        self.assertSent(b"one")

    def test_lost(self) -> None:
        """
        A transport that is gone takes nothing.
        """
        self.socket.connected = False
        self.writer.writeNow(b"one")
        self.assertEqual(self.socket.sent, [])

    def test_encrypted(self) -> None:
        """
        Bytes for a transport that has begun TLS are not sent past it.
        """
        taken: list[bytes] = []
        self.socket.TLS = True
        self.patch(self.socket, "write", taken.append)
        self.writer.writeNow(b"secret")
        self.assertEqual((taken, self.socket.sent), ([b"secret"], []))

    def test_flush(self) -> None:
        """
        To flush sends written bytes, and does nothing if there are none.
        """
        self.writer.write(b"one")
        self.writer.flush()
        self.assertEqual(self.socket.sent, [b"one"])
        self.patch(self.socket, "doWrite", lambda: self.fail("nothing was written"))
        self.writer.flush()


class RegistrationTests(SynchronousTestCase):
    """
    Every node has the adapters.
    """

    def test_imported(self) -> None:
        """
        To import the room registers them; no other import is needed.
        """
        program = (
            "import twisted_libp2p.transport;"
            "from twisted.internet.tcp import Connection;"
            "from twisted_libp2p.interfaces import IFlushable, ISwitchable;"
            "socket = Connection.__new__(Connection);"
            "assert None not in (IFlushable(socket, None), ISwitchable(socket, None))"
        )
        subprocess.run([sys.executable, "-c", program], check=True)


class WrapperTests(SynchronousTestCase):
    """
    Twisted's wrappers claim what their transport provides, and are not bypassed.
    """

    def setUp(self) -> None:
        """
        Put one of Twisted's wrappers between a socket and a protocol.
        """
        self.socket = Socket(self)
        self.protocol = Protocol()
        factory: Any = WrappingFactory(Factory())
        self.wrapper = ProtocolWrapper(factory, self.protocol)
        self.wrapper.makeConnection(self.socket)

    def test_written(self) -> None:
        """
        The wrapper gets the bytes, by its own method.
        """
        taken: list[bytes] = []
        self.patch(self.wrapper, "write", taken.append)
        writer = flushable(self.wrapper)
        writer.write(b"one")
        writer.writeNow(b"two")
        writer.flush()
        self.assertEqual((taken, self.socket.sent), ([b"one", b"two"], []))
        self.patch(self.wrapper, "writeSequence", taken.extend)
        writer.writeSequence([b"three"])
        self.assertEqual(taken, [b"one", b"two", b"three"])

    def test_adapted(self) -> None:
        """
        No adapter takes the wrapper for a socket.
        """
        self.assertIsNone(IFlushable(self.wrapper, None))
        self.assertIsNone(ISwitchable(self.wrapper, None))

    def test_switched(self) -> None:
        """
        The protocol of the wrapper is replaced, not that of the socket.
        """
        below = self.socket.protocol
        switch = switchable(self.wrapper)
        assert switch is not None
        successor = Received()
        switch.switchProtocol(self.protocol, successor)
        self.assertIs(self.wrapper.wrappedProtocol, successor)
        self.assertIs(self.socket.protocol, below)
        self.assertFalse(switch.lend(self.protocol))
        switch.unread(b"early")
        self.assertEqual(successor.data, b"early")
        switch.switchProtocol(self.protocol, self.protocol)
        self.assertIs(switch.protocol, successor)


class Received(Protocol):
    """
    A protocol that keeps the received bytes.
    """

    data = b""

    def dataReceived(self, data: bytes) -> None:
        """
        Keep them.
        """
        self.data += data


class SocketSwitchTests(SynchronousTestCase):
    """
    The protocol of a socket can put another in its place.
    """

    def test_switch(self) -> None:
        """
        The successor receives; another protocol than the present one replaces nothing.
        """
        transport = Socket(self)
        present, successor = transport.protocol, Received()
        switch = switchable(transport)
        self.assertIsInstance(switch, SocketSwitch)
        assert switch is not None
        self.assertTrue(verifyObject(ISwitchable, switch))
        self.assertFalse(switch.lend(successor))
        switch.switchProtocol(successor, successor)
        self.assertIs(transport.protocol, present)
        switch.switchProtocol(present, successor)
        self.assertIs(transport.protocol, successor)
        switch.unread(b"early")
        self.assertEqual(successor.data, b"early")

    def test_lost(self) -> None:
        """
        After the connection nothing is delivered.
        """
        transport = Socket(self)
        transport.protocol = successor = Received()
        transport.connected = False
        switch = SocketSwitch(transport)
        switch.unread(b"late")
        self.assertIsNone(switch.protocol)
        self.assertEqual(successor.data, b"")

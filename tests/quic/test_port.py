# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.quic.port}, on real sockets.
"""

from __future__ import annotations

import errno
import socket
import sys
from collections.abc import Sequence
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.trial.unittest import SkipTest, TestCase

from twisted_libp2p.interfaces import ReceivedDatagram, SentDatagram
from twisted_libp2p.quic.port import BACKLOG, QuicPort, zoneName


class User:
    """
    Keeps what arrives.

    @ivar total: the received bytes.
    @ivar found: the received datagrams.
    @ivar refused: the addresses at which nobody receives.
    """

    def __init__(self) -> None:
        self.total = 0
        self.found: list[ReceivedDatagram] = []
        self.refused: list[tuple[str, int]] = []
        self.wanted = 0
        self.done: Deferred[None] = Deferred()

    def received(self, datagrams: Sequence[ReceivedDatagram]) -> None:
        """
        Keep datagrams, and fire when there are enough.
        """
        self.found += datagrams
        self.total = sum(len(each.data) for each in self.found)
        self._look(self.total >= self.wanted)

    def unreachable(self, host: str, port: int) -> None:
        """
        Keep an address.
        """
        self.refused.append((host, port))
        self._look(True)

    def _look(self, enough: bool) -> None:
        if enough and not self.done.called:
            self.done.callback(None)


class Faulty:
    """
    A socket whose calls fail: the first one sends, the last one receives.

    @ivar send: the error of a call that sends; 0 for none.
    @ivar alone: the same for a datagram that is sent by itself; that of C{send} by
        default.
    @ivar receive: the error of the next call that receives; 0 for none.
    @ivar found: the results of the next calls that receive.
    """

    def __init__(self, *sockets: Any) -> None:
        self.sockets = sockets
        self.send = self.alone = self.receive = 0
        self.found: list[Any] = []

    def sendto(self, *arguments: Any) -> int:
        """
        Send, or fail.
        """
        self._fail(self.alone or self.send)
        sent: int = self.sockets[0].sendto(*arguments)
        return sent

    def sendmsg(self, data: Any, ancillary: Any, *rest: Any) -> int:
        """
        Send, or fail.
        """
        together = any(kind == 103 for _, kind, _ in ancillary)
        self._fail(self.send if together else self.alone or self.send)
        sent: int = self.sockets[0].sendmsg(data, ancillary, *rest)
        return sent

    def recvmsg(self, size: int, ancillary: int, flags: int = 0) -> Any:
        """
        Receive, or fail once.
        """
        number, self.receive = self.receive, 0
        self._fail(number)
        if self.found:
            return self.found.pop()
        return self.sockets[-1].recvmsg(size, ancillary, flags)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.sockets[-1], name)

    @staticmethod
    def _fail(number: int) -> None:
        if number:
            raise OSError(number, "by order")


class PortTests(TestCase):
    """
    Datagrams are sent and received.
    """

    host = "127.0.0.1"

    def bind(self, offload: bool = True) -> tuple[User, Any]:
        """
        Bind a socket.
        """
        user = User()
        port = QuicPort(0, user, self.host, reactor, offload)
        try:
            port.startListening()
        except Exception as error:
            raise SkipTest(f"no {self.host} here: {error}") from None
        self.addCleanup(port.stopListening)
        return user, port

    async def carry(self, ours: Any, user: User, theirs: Any, segment: int) -> bytes:
        """
        Send bytes, and return what arrives.
        """
        data = bytes(range(256)) * 20
        user.wanted = len(data)
        host = theirs.getHost()
        ours.send(SentDatagram(data, host.host, host.port, segment))
        await user.done
        for each in user.found:
            self.assertEqual((each.host, each.port), (self.host, ours.getHost().port))
        self.assertEqual(data, b"".join(each.data for each in user.found))
        return data

    async def test_together(self) -> None:
        """
        Datagrams that are sent together arrive, and their size is known.
        """
        _, ours = self.bind()
        user, theirs = self.bind()
        await self.carry(ours, user, theirs, 1000)
        for each in user.found:
            self.assertLessEqual(each.segment or len(each.data), 1000)

    async def test_apart(self) -> None:
        """
        So do they without the help of the kernel.
        """
        _, ours = self.bind(offload=False)
        user, theirs = self.bind(offload=False)
        await self.carry(ours, user, theirs, 1000)
        self.assertEqual(len(user.found), 6)

    async def test_refusedByKernel(self) -> None:
        """
        If the kernel refuses to send datagrams together, each is sent by itself from
        then on.
        """
        _, ours = self.bind()
        user, theirs = self.bind()
        if not ours.offload:
            raise SkipTest("this kernel sends no datagrams together")
        real = ours.socket

        class Old:
            """
            A socket of an old kernel.
            """

            def sendmsg(self, data: Any, ancillary: Any, *rest: Any) -> int:
                """
                Refuse segments.
                """
                if any(kind == 103 for _, kind, _ in ancillary):
                    raise OSError(errno.EIO, "no segments")
                sent: int = real.sendmsg(data, ancillary, *rest)
                return sent

            def __getattr__(self, name: str) -> Any:
                return getattr(real, name)

        ours.socket = Old()
        await self.carry(ours, user, theirs, 1000)
        self.assertFalse(ours.offload)
        ours.socket = real

    async def test_marks(self) -> None:
        """
        The ECN bits arrive, those of each datagram.
        """
        _, ours = self.bind()
        user, theirs = self.bind()
        host = theirs.getHost()
        marks = (2, 2, 0, 1, 0, 2)
        user.wanted = len(marks)
        for ecn in marks:
            ours.send(SentDatagram(b"x", host.host, host.port, 0, ecn))
        await user.done
        expected = marks if sys.platform == "linux" else (0,) * len(marks)
        self.assertEqual(tuple(each.ecn for each in user.found), expected)

    async def test_marksTogether(self) -> None:
        """
        The ECN bits of datagrams that are sent together arrive, too.
        """
        _, ours = self.bind()
        user, theirs = self.bind()
        host = theirs.getHost()
        user.wanted = 2500
        ours.send(SentDatagram(bytes(2500), host.host, host.port, 1000, 2))
        await user.done
        found = {each.ecn for each in user.found}
        self.assertEqual(found, {2 if sys.platform == "linux" else 0})

    async def test_unreachable(self) -> None:
        """
        An address at which nobody receives is reported, and the socket goes on.
        """
        user, ours = self.bind()
        if sys.platform != "linux":
            raise SkipTest("this system reports no errors of datagrams")
        with socket.socket(ours.addressFamily, socket.SOCK_DGRAM) as taken:
            taken.bind((self.host, 0))
            number = taken.getsockname()[1]
        user.wanted = 1 << 30
        ours.send(SentDatagram(b"anybody?", self.host, number))
        await user.done
        self.assertEqual(user.refused, [(self.host, number)])
        _, theirs = self.bind()
        user.done, user.wanted = Deferred(), 2
        host = ours.getHost()
        theirs.send(SentDatagram(b"me", host.host, host.port))
        await user.done

    async def test_errorOfAnother(self) -> None:
        """
        The error of a datagram that nobody has received does not cost the next one,
        which is for somebody else.
        """
        _, ours = self.bind()
        user, theirs = self.bind()
        with socket.socket(ours.addressFamily, socket.SOCK_DGRAM) as taken:
            taken.bind((self.host, 0))
            number = taken.getsockname()[1]
        user.wanted = 10
        host = theirs.getHost()
        for _ in range(5):
            ours.send(SentDatagram(b"anybody?", self.host, number))
            ours.send(SentDatagram(b"hi", host.host, host.port))
        await user.done
        self.assertEqual([each.data for each in user.found], [b"hi"] * 5)

    async def test_everyError(self) -> None:
        """
        No error of the system, of a datagram sent or received, closes the socket, or
        costs more than that datagram.
        """
        _, ours = self.bind()
        user, theirs = self.bind()
        host = theirs.getHost()
        faulty = ours.socket = theirs.socket = Faulty(ours.socket, theirs.socket)
        waits = (errno.EAGAIN, errno.EWOULDBLOCK, errno.EINTR)
        for number in sorted(errno.errorcode.keys() - set(waits)):
            for segment in (0, 1):
                faulty.send = faulty.receive = number
                ours.send(SentDatagram(b"ab", host.host, host.port, segment))
                theirs.doRead()
                faulty.send = faulty.receive = 0
                # An error of a group ends the sending of groups.
                ours.offload = theirs.offload
                user.done, user.wanted = Deferred(), user.total + 2
                ours.send(SentDatagram(b"cd", host.host, host.port))
                await user.done
        self.assertTrue(ours.connected and theirs.connected)
        ours.socket, theirs.socket = faulty.sockets

    async def test_tooLarge(self) -> None:
        """
        A group of datagrams too large for the device does not end the sending of
        others together.
        """
        _, ours = self.bind()
        if not ours.offload:
            raise SkipTest("this kernel sends no datagrams together")
        faulty = ours.socket = Faulty(ours.socket)
        faulty.send, faulty.alone = errno.EINVAL, errno.EMSGSIZE
        ours.send(SentDatagram(bytes(3000), self.host, 9, 1400))
        self.assertTrue(ours.offload)
        (ours.socket,) = faulty.sockets

    async def test_full(self) -> None:
        """
        Datagrams wait, within bounds, while the socket takes none.
        """
        _, ours = self.bind()
        user, theirs = self.bind()
        real, full = ours.socket, True
        host = theirs.getHost()

        class Full:
            """
            A socket that may be full.
            """

            def sendto(self, *arguments: Any) -> int:
                """
                Refuse while it is full.
                """
                if full:
                    raise BlockingIOError
                sent: int = real.sendto(*arguments)
                return sent

            def __getattr__(self, name: str) -> Any:
                return getattr(real, name)

        ours.socket = Full()
        for _ in range(BACKLOG + 10):
            ours.send(SentDatagram(b"x", host.host, host.port))
        self.assertEqual(len(ours._backlog), BACKLOG)
        full = False
        user.wanted = 1
        await user.done
        ours.socket = real

    async def test_error(self) -> None:
        """
        An error of the user does not close the socket.
        """
        user, theirs = self.bind()
        _, ours = self.bind()
        take = user.received

        def broken(datagrams: Sequence[ReceivedDatagram]) -> None:
            take(datagrams)
            raise ZeroDivisionError

        user.received = broken  # type: ignore[method-assign]
        host = theirs.getHost()
        for _ in range(2):
            user.done, user.wanted = Deferred(), user.total + 2
            ours.send(SentDatagram(b"go", host.host, host.port))
            await user.done
            # The error comes after the call that has just returned here.
            await deferLater(reactor, 0)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 2)

    async def test_zone(self) -> None:
        """
        The address of a link-local peer has its zone.
        """
        user, theirs = self.bind()
        real = theirs.socket
        faulty = theirs.socket = Faulty(real)
        ((index, name), *_) = socket.if_nameindex()
        for scope, zone in ((index, name), (99_999, "99999"), (0, "")):
            address = ("fe80::1", 9, 0, scope)
            faulty.found = [(b"hello", [], 0, address)]
            theirs.doRead()
            host = f"fe80::1%{zone}" if zone else "fe80::1"
            self.assertEqual(user.found[-1].host, host)
        theirs.socket = real

    def test_zoneName(self) -> None:
        """
        An interface that there is not keeps its number.
        """
        ((index, name), *_) = socket.if_nameindex()
        self.assertEqual(zoneName(index), name)
        for number in (99_999, 1 << 80):
            self.assertEqual(zoneName(number), str(number))

    def test_addressTo(self) -> None:
        """
        The address of our end is the one of the route, if all are bound.
        """
        user = User()
        wildcard = "::" if ":" in self.host else "0.0.0.0"
        port = QuicPort(0, user, wildcard, reactor)
        try:
            port.startListening()
        except Exception as error:
            raise SkipTest(f"no {wildcard} here: {error}") from None
        self.addCleanup(port.stopListening)
        found = port.addressTo(self.host, 9)
        self.assertEqual((found.host, found.port), (self.host, port.getHost().port))
        _, bound = self.bind()
        self.assertEqual(bound.addressTo(self.host, 9), bound.getHost())


class SixPortTests(PortTests):
    """
    The same over IPv6.
    """

    host = "::1"

# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of hole punching through the routers of a laboratory.
"""

from __future__ import annotations

from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.protocol import Factory

from tests.lab.case import LabTestCase
from tests.lab.meeting import Cast, Meeting, Outcome
from tests.lab.nat import NAT, Filtering, Mapping
from tests.relay.case import LIMITED, Reader
from twisted_libp2p.connection.connection import isRelayed
from twisted_libp2p.holepunch import service
from twisted_libp2p.interfaces import Direction, IConnection, Role
from twisted_libp2p.protocols.echo import PROTOCOL_ID
from twisted_libp2p.quic.backends import AUTO

#: Seconds for a punch: it takes one, and much more on a machine that is busy.
TIME = 60

TRANSLATING = NAT(Mapping.TRANSLATING)


class MeetingTestCase(LabTestCase):
    """
    Two peers behind routers, and a relay.

    @cvar transport: the transport.
    @cvar backend: the backend of QUIC.
    """

    transport: str
    backend = AUTO

    async def meet(self, one: NAT, other: NAT) -> Outcome:
        """
        Connect two peers behind routers through the relay.
        """
        self.meeting: Any = Meeting(reactor, self.lab, 0.01, self.backend)
        self.addCleanup(self.meeting.end)
        await self.meeting.begin(
            Cast("ours", "ours", "ours", self.transport), one, other
        )
        return await self.meeting.outcome(TIME)

    async def echo(self, options: Any = None) -> IConnection:
        """
        Let the listener send bytes back.

        @return: the connection that carried them, as the dialer sees it.
        """
        reader = Reader()
        await self.meeting.dialer.node.openStream(
            self.meeting.listener.node.peerID,
            PROTOCOL_ID,
            Factory.forProtocol(lambda: reader),
            **({} if options is None else {"options": options}),
        )
        received: Deferred[None] = Deferred()
        reader.dataReceived = (  # type: ignore[method-assign]
            lambda data: received.callback(None)
        )
        reader.transport.write(b"hello")
        await received
        connection: IConnection = reader.transport.connection
        return connection

    async def check(self, one: NAT, other: NAT) -> IConnection:
        """
        Check that two peers are connected directly, and that the direct connection
        works.
        """
        outcome = await self.meet(one, other)
        self.assertIsNotNone(outcome.seconds)
        connection = await self.echo()
        self.assertFalse(isRelayed(connection.remoteAddress))
        self.assertFalse(connection.limited)
        return connection


class TCPTests(MeetingTestCase):
    """
    TCP.
    """

    transport = "tcp"

    async def test_translating(self) -> None:
        """
        Routers that translate ports, and let in only the spoken port.  The side that
        has dialed through the relay is the client.
        """
        connection = await self.check(TRANSLATING, TRANSLATING)
        self.assertIs(connection.role, Role.CLIENT)

    async def test_resets(self) -> None:
        """
        Routers that answer a dial that comes too early by a reset, or by an error.
        """
        nat = NAT(resets=True)
        await self.check(nat, nat)

    async def test_symmetric(self) -> None:
        """
        Where no hole can be punched the relayed connection stays.
        """
        self.patch(service, "PUNCH_TIME", 0.5)
        nat = NAT(Mapping.SYMMETRIC, resets=True)
        outcome = await self.meet(nat, nat)
        self.assertEqual(outcome, Outcome(None, 3))
        connection = await self.echo(LIMITED)
        self.assertTrue(connection.limited)

    async def test_reversal(self) -> None:
        """
        A peer with a forwarded port is simply dialed.
        """
        forwarding = NAT(forwards=(("tcp", 4001, "10.2.0.2"),))
        connection = await self.check(NAT(Mapping.SYMMETRIC), forwarding)
        self.assertIs(connection.direction, Direction.INBOUND)


class QuicTests(MeetingTestCase):
    """
    QUIC, by the quickest backend.
    """

    transport = "quic"

    async def test_resets(self) -> None:
        """
        Routers that answer a dial that comes too early by an error.
        """
        nat = NAT(resets=True)
        await self.check(nat, nat)

    async def test_sighted(self) -> None:
        """
        The port from which a peer comes, if its router chooses a port for each
        connection, is found out from its packets.
        """
        await self.check(
            NAT(Mapping.SYMMETRIC), NAT(Mapping.TRANSLATING, Filtering.ADDRESS)
        )


class AioquicTests(MeetingTestCase):
    """
    QUIC, by the backend in Python.
    """

    transport = "quic"
    backend = "aioquic"

    async def test_translating(self) -> None:
        """
        Routers that translate ports, and let in only the spoken port.
        """
        await self.check(TRANSLATING, TRANSLATING)

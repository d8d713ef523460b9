# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of listening and dialing.
"""

from __future__ import annotations

from twisted.internet.defer import CancelledError
from twisted.internet.error import CannotListenError
from twisted.internet.task import deferLater
from zope.interface.verify import verifyObject

from twisted_libp2p.address import Multiaddr, isWildcard
from twisted_libp2p.errors import DialFailed, UnsupportedAddress
from twisted_libp2p.interfaces import DialOptions, IMuxedTransport, ITransport
from twisted_libp2p.testing.transport.base import TransportBase

__all__ = ["ConnectionTests"]


class ConnectionTests(TransportBase):
    """
    The contract, listening and dialing.
    """

    # The contract

    def test_contract(self) -> None:
        """
        The transport provides one of the two contracts, and a name.
        """
        transport = self.makeTransport()
        native = IMuxedTransport.providedBy(transport)
        verifyObject(IMuxedTransport if native else ITransport, transport)
        self.assertTrue(transport.name)
        self.assertIs(type(transport.byteStream), bool)
        self.assertFalse(native and transport.byteStream)

    def test_foreignAddress(self) -> None:
        """
        An address of another kind is neither dialed nor listened on, and an address of
        Twisted's that has no such form is none here.
        """
        transport = self.makeTransport()
        for text in (self.foreignAddress, self.listenAddress + "/http"):
            address = Multiaddr(text)
            self.assertFalse(transport.canDial(address), text)
            self.assertFalse(transport.canListen(address), text)
        self.assertIsNone(transport.toMultiaddr(self.foreignHost))

    # Listening

    async def test_listen(self) -> None:
        """
        The transport chooses the port, and reports the address to dial; two listeners
        have different addresses.
        """
        asked = Multiaddr(self.listenAddress)
        self.assertTrue(self.makeTransport().canListen(asked))
        node = await self.listening()
        more = await node.listenOn(self.otherAddress or self.listenAddress)
        addresses = self.addresses(node)
        found = [each.withoutPeer() for each in addresses]
        self.assertEqual(len(set(found)), 2)
        self.assertEqual(more, [addresses[1]])
        for each in found:
            if self.otherAddress is None:
                self.assertNotEqual(each, asked)
            self.assertTrue(self.makeTransport().canDial(each))

    async def test_wildcard(self) -> None:
        """
        A wildcard becomes the addresses of the interfaces.
        """
        if self.wildcardAddress is None:
            return
        node = self.node(listen=[self.wildcardAddress])
        addresses = await node.whenListening()
        self.assertTrue(addresses)
        for each in addresses:
            self.assertFalse(isWildcard(each))
        await self.node().connect(addresses[0])

    async def test_taken(self) -> None:
        """
        An address on which a node listens cannot be listened on again.
        """
        node = await self.listening()
        taken = self.addresses(node)[0].withoutPeer()
        with self.assertRaises(CannotListenError):
            await self.node().listenOn(taken)

    async def test_stopListening(self) -> None:
        """
        After a listener is closed nobody connects to it; its connections go on.  Over
        UDP nobody may refuse the dial, so it waits no longer than it needs to succeed.
        """
        _, listener, near, _ = await self.connected()
        (address,) = self.addresses(listener)
        await listener.stopListeningOn(self.listenAddress)
        self.assertEqual(self.addresses(listener), [])
        with self.assertRaises(DialFailed):
            await self.node().connect(address, DialOptions(timeout=1.0))
        self.assertTrue(near.connected)

    # Dialing

    async def test_addresses(self) -> None:
        """
        Both sides agree on the addresses of a connection, as multiaddrs.  The dialer
        may have no address that it knows.
        """
        _, listener, near, far = await self.connected()
        (address,) = self.addresses(listener)
        self.assertEqual(near.remoteAddress, address.withoutPeer())
        self.assertEqual(far.localAddress, near.remoteAddress)
        if near.localAddress is not None:
            self.assertEqual(far.remoteAddress, near.localAddress)

    async def test_local(self) -> None:
        """
        A connection can be dialed from a given address; a transport refuses an address
        from which it cannot dial.
        """
        listener = await self.listening()
        (address,) = self.addresses(listener)
        foreign = DialOptions(local=Multiaddr(self.foreignAddress))
        with self.assertRaises(DialFailed) as caught:
            await self.node().connect(address, foreign)
        ((_, cause),) = caught.exception.causes
        self.assertIsInstance(cause, UnsupportedAddress)
        if self.localAddress is not None:
            local = Multiaddr(self.localAddress)
            near = await self.node().connect(address, DialOptions(local=local))
            assert near.localAddress is not None
            self.assertEqual(near.localAddress.host, local.host)

    async def test_refused(self) -> None:
        """
        A dial of an address where nobody listens fails soon.
        """
        node = self.node()
        address = self.deadAddress()
        self.assertTrue(self.makeTransport().canDial(address))
        with self.assertRaises(DialFailed) as caught:
            await node.connect(address)
        ((_, cause),) = caught.exception.causes
        self.assertNotIsInstance(cause, UnsupportedAddress)
        self.assertEqual(node.connections.limiter.system.used.connections, 0)

    async def test_cancel(self) -> None:
        """
        A dial that is cancelled leaves nothing, at any time.
        """
        listener = await self.listening()
        for turns in range(6):
            node = self.node()
            dial = node.connect(self.addresses(listener)[0])
            for _ in range(turns):
                await deferLater(self.reactor, 0)
            dial.cancel()
            try:
                await dial
            except CancelledError:
                self.assertEqual(len(node.connections), 0)
            await node.stopService()
            self.assertNothingLeft(node)

    async def test_stop(self) -> None:
        """
        A node that stops during a dial fails it, and leaves nothing.
        """
        listener = await self.listening()
        node = self.node()
        dial = node.connect(self.addresses(listener)[0])
        dial.addErrback(lambda reason: None)
        await node.stopService()
        await dial
        self.assertNothingLeft(node)

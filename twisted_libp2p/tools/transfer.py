# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
C{libp2p send} and C{libp2p receive}.
"""

from __future__ import annotations

import os
import sys
from typing import Any
from weakref import WeakKeyDictionary

from twisted.internet.defer import Deferred, TimeoutError
from twisted.internet.error import ConnectionClosed
from twisted.internet.task import deferLater

from twisted_libp2p.access.book import PeerBook
from twisted_libp2p.access.invites import Invites
from twisted_libp2p.access.ticket import SECRET_SIZE, Ticket
from twisted_libp2p.errors import ConfigurationError, Libp2pError, TransferFailed
from twisted_libp2p.events import AddressesChanged
from twisted_libp2p.identity import PeerID
from twisted_libp2p.node import Node
from twisted_libp2p.options.reaching import addReaching
from twisted_libp2p.pacing import addTimeout
from twisted_libp2p.printable import printable
from twisted_libp2p.tools.progress import Progress
from twisted_libp2p.tools.reaching import reach, reaching
from twisted_libp2p.transfer.messages import Offer
from twisted_libp2p.transfer.receiving import Receiver
from twisted_libp2p.transfer.sending import Sender

__all__ = ["receive", "send"]

#: Number of attempts in a row that bring no byte to the peer.
ATTEMPTS = 5

#: Seconds between two attempts.
PAUSE = 1.0

#: Seconds for an address at a relay.
RELAY_TIME = 20.0


async def send(reactor: Any, options: Any) -> None:
    """
    Send a file; after a lost connection, go on over another one.
    """
    shown: list[Progress] = []
    sender = Sender(options["file"], lambda done: shown[0].update(done))
    await sender.prepare(reactor, options["secret"])
    offer = sender.offer
    shown.append(Progress(reactor, sys.stderr, offer.name, offer.size))
    async with reaching(reactor, options) as node:
        try:
            await untilSent(reactor, options, node, sender)
        finally:
            shown[0].close()
    options.show(
        [f"sent {offer.name}, {offer.size} bytes"],
        name=offer.name,
        size=offer.size,
        sha256=offer.digest,
    )


async def untilSent(reactor: Any, options: Any, node: Node, sender: Sender) -> None:
    """
    Try to send a file as long as that brings some of it to the peer.

    @raise TransferFailed: the peer refuses the file.
    @raise Libp2pError: the peer cannot be reached.
    """
    vain = 0
    while True:
        before = sender.done
        try:
            connection = await reach(reactor, options, node)
            await sender.send(connection)
            return
        except TransferFailed:
            raise
        except (Libp2pError, ConnectionClosed) as error:
            vain = 0 if sender.done > before else vain + 1
            if not sender.done or vain == ATTEMPTS:
                raise
            print(f"\n{error}; trying again", file=sys.stderr, flush=True)
        await deferLater(reactor, PAUSE, lambda: None)


class _Gate:
    """
    Lets paired peers send, and the one that uses our ticket.
    """

    def __init__(self, reactor: Any, book: PeerBook) -> None:
        self._reactor = reactor
        self._book = book
        self._invites = Invites()
        self.secret = os.urandom(SECRET_SIZE)
        self._invites.make(self.secret, reactor.seconds())

    def __call__(self, peer: PeerID, offer: Offer) -> str | None:
        """
        Return the reason to refuse a peer.
        """
        if peer in self._book:
            return None
        if not offer.secret:
            return "the machines are not paired, and the sender has no ticket"
        return self._invites.use(offer.secret, peer, self._reactor.seconds())


async def receive(reactor: Any, options: Any) -> None:
    """
    Receive one file, or files until the tool is interrupted.
    """
    over: Deferred[None] = Deferred()
    # A file that is not received to its end takes its entry along.
    shown: WeakKeyDictionary[Offer, Progress] = WeakKeyDictionary()
    gate = _Gate(reactor, options.book())

    def received(peer: PeerID, offer: Offer, name: str) -> None:
        if offer in shown:
            shown.pop(offer).close()
        options.show(
            [f"received {printable(name)}, {offer.size} bytes"],
            peer=str(peer),
            name=name,
            size=offer.size,
            sha256=offer.digest,
        )
        if not options["keep"] and not over.called:
            over.callback(None)

    def progress(offer: Offer, size: int) -> None:
        if offer not in shown:
            shown[offer] = Progress(reactor, sys.stderr, offer.name, offer.size)
        shown[offer].update(size)

    receiver = Receiver(options["folder"], gate, received, progress)
    arguments = {**options.nodeArguments(), "listen": options["listen"]}
    services = [receiver, *options.askers(arguments["network"])]
    node = Node(reactor, **arguments, services=services)
    addReaching(node, options)
    node.startService()
    try:
        await node.whenListening()
        if options["relay"]:
            await _relayed(reactor, node)
        addresses = tuple(each.withoutPeer() for each in node.addresses)
        ticket = Ticket(node.peerID, gate.secret, addresses).toText()
        options.show(
            [f"on the other machine: libp2p send FILE {ticket}"], ticket=ticket
        )
        await over
    finally:
        await node.stopService()


async def _relayed(reactor: Any, node: Node) -> None:
    """
    Wait for an address at a relay.

    @raise ConfigurationError: it takes too long.
    """

    def has() -> bool:
        return any("p2p-circuit" in each.names for each in node.addresses)

    if has():
        return
    there = node.events.next(
        AddressesChanged, lambda event: event.peer == node.peerID and has()
    )
    try:
        await addTimeout(there, RELAY_TIME, reactor)
    except TimeoutError:
        raise ConfigurationError(
            f"no relay of --relay has given a place within {RELAY_TIME:g} s"
        ) from None

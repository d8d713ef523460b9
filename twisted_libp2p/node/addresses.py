# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The one owner of "where we are".

Listeners, the user, gateways, relays and peers each name addresses of this node.  Here
they come together, each with its confidence; identify, the dialer and everyone who asks
C{node.addresses} get those that are likely to lead here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from twisted.internet.interfaces import IReactorTime
from zope.interface import implementer

from twisted_libp2p.address import Multiaddr
from twisted_libp2p.errors import ConfigurationError
from twisted_libp2p.events import AddressesChanged, EventBus
from twisted_libp2p.identity import PeerID
from twisted_libp2p.interfaces import (
    AddressSource,
    Confidence,
    IOwnAddresses,
    OwnAddress,
)

__all__ = ["MAX_ADDRESSES", "OwnAddresses", "withoutOwnPeer"]

#: Maximum number of addresses of one source; of more, the first ones are kept.  It is
#: never reached but by a service that believes too many peers.
MAX_ADDRESSES = 256


@implementer(IOwnAddresses)
class OwnAddresses:
    """
    The addresses of a node, by source.

    @ivar peerID: the peer id of the node.
    @ivar clock: the time of its events.
    @ivar events: its events.
    @ivar shared: whether other processes listen on the addresses too, as the same peer:
        peers keep them when this process ends.
    """

    shared = False

    def __init__(
        self,
        peerID: PeerID,
        clock: IReactorTime,
        events: EventBus,
        announce: Iterable[str | Multiaddr] = (),
    ) -> None:
        """
        Begin with the announced addresses.

        @param peerID: the peer id of the node.
        @param clock: the time of the events.
        @param events: where L{AddressesChanged} is published.
        @param announce: the addresses that the user has configured.
        @raise ConfigurationError: one of them ends in the id of another peer.
        @raise InvalidMultiaddr: one of them is not an address.
        """
        self.peerID = peerID
        self.clock = clock
        self.events = events
        # As the sources have named them, and in the form for peers.
        self._given: dict[AddressSource, tuple[list[Multiaddr], Confidence]] = {}
        self._sources: dict[AddressSource, dict[Multiaddr, Confidence]] = {}
        self._form: Callable[[Multiaddr], Multiaddr | None] | None = None
        self._judged: dict[Multiaddr, Confidence] = {}
        # The selection changes with the sources and the judgements alone.
        self._dialable: list[Multiaddr] = []
        self._full: list[Multiaddr] = []
        self._published: tuple[Multiaddr, ...] = ()
        self._hidden = self._kept = False
        configured = [
            withoutOwnPeer(each, peerID, "announce")
            for each in Multiaddr.several(announce)
        ]
        if configured:
            self.replace(AddressSource.ANNOUNCED, configured)

    def replace(
        self,
        source: AddressSource,
        addresses: Iterable[Multiaddr],
        confidence: Confidence | None = None,
    ) -> None:
        """
        Set all addresses of a source.

        @param confidence: how sure they are; None for the default of the source.
        """
        self.update(source, addresses, confidence)
        self.publish()

    def update(
        self,
        source: AddressSource,
        addresses: Iterable[Multiaddr],
        confidence: Confidence | None = None,
    ) -> None:
        """
        Set all addresses of a source, and leave it to the caller to L{publish} the
        change: other events may have to come first.
        """
        if confidence is None:
            observed = source is AddressSource.OBSERVED
            confidence = Confidence.CLAIMED if observed else Confidence.LIKELY
        bare = [each.withoutPeer() for each in addresses][:MAX_ADDRESSES]
        self._given[source] = bare, confidence
        self._write(source)
        self._forget()

    def rewrite(self, form: Callable[[Multiaddr], Multiaddr | None] | None) -> None:
        """
        Set the function that writes addresses in the form for peers.

        @param form: returns None for an address that cannot be dialed at present.
        """
        self._form = form
        for source in self._given:
            self._write(source)
        self._forget()
        self.publish()

    def _write(self, source: AddressSource) -> None:
        """
        Write the addresses of a source in the form for peers.
        """
        given, confidence = self._given[source]
        form = self._form
        written = given if form is None else map(form, given)
        self._sources[source] = {
            each: confidence for each in written if each is not None
        }

    def _forget(self) -> None:
        """
        Drop the judgements of addresses that no source names any longer, and select
        the addresses that peers are given.
        """
        known = {each for named in self._sources.values() for each in named}
        self._judged = {
            each: judged for each, judged in self._judged.items() if each in known
        }
        self._select()

    def judge(self, address: Multiaddr, confidence: Confidence | None) -> None:
        """
        Set the confidence of one address, whatever its source, as long as it has any.

        @param confidence: None takes the judgement back.
        """
        bare = address.withoutPeer()
        if confidence is None:
            self._judged.pop(bare, None)
        elif any(bare in named for named in self._sources.values()):
            self._judged[bare] = confidence
        self._select()
        self.publish()

    def all(self) -> list[OwnAddress]:
        """
        Return all addresses, in the order of their sources.
        """
        found: dict[Multiaddr, OwnAddress] = {}
        for source in AddressSource:
            for address, confidence in self._sources.get(source, {}).items():
                known = found.get(address)
                if known is not None:
                    confidence = max(confidence, known.confidence)
                found[address] = OwnAddress(
                    address,
                    source if known is None else known.source,
                    self._judged.get(address, confidence),
                )
        return list(found.values())

    def dialable(self) -> list[Multiaddr]:
        """
        Return the addresses that peers are given, without peer id.
        """
        return list(self._dialable)

    def full(self) -> list[Multiaddr]:
        """
        Return the same addresses with the peer id of this node at their end.
        """
        return list(self._full)

    def hide(self) -> None:
        """
        Give peers no addresses from now on, whatever the sources name; the present ones
        if they are C{shared}.
        """
        self._kept = self.shared
        self._hidden = not self.shared
        self._select()
        self.publish()

    def show(self) -> None:
        """
        Give peers the addresses again; L{publish} announces them.
        """
        self._hidden = self._kept = False
        self._select()

    def _select(self) -> None:
        """
        Select the addresses that peers are given.
        """
        if self._kept:
            return
        known = () if self._hidden else self.all()
        self._dialable = [
            each.address for each in known if each.confidence >= Confidence.LIKELY
        ]
        self._full = [each.withPeer(self.peerID) for each in self._dialable]

    def publish(self) -> None:
        """
        Publish the addresses that peers are given, if these have changed since the
        last time.
        """
        before, self._published = self._published, tuple(self._dialable)
        if set(before) != set(self._published):
            self.events.publish(
                AddressesChanged(
                    time=self.clock.seconds(),
                    peer=self.peerID,
                    addresses=self._published,
                )
            )


def withoutOwnPeer(address: str | Multiaddr, peerID: PeerID, use: str) -> Multiaddr:
    """
    Read an address that the user gives for this node.

    @param use: the purpose of the address, for the error.
    @return: the address without a peer id.
    @raise ConfigurationError: it ends in the id of another peer.
    """
    parsed = Multiaddr.of(address)
    if parsed.peerID not in (None, peerID):
        raise ConfigurationError(
            f"{use} {parsed}: it belongs to another peer, this node is {peerID}"
        )
    return parsed.withoutPeer()

# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
A served protocol that is open to some peers only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from twisted.internet.interfaces import IAddress, IProtocol, IProtocolFactory
from zope.interface import implementer

from twisted_libp2p.address import PeerAddress
from twisted_libp2p.errors import ConfigurationError
from twisted_libp2p.identity import PeerID
from twisted_libp2p.limits.refusallog import RefusalLog
from twisted_libp2p.logger import Logger

__all__ = ["Allow", "GuardedFactory", "Permits", "permits"]

#: The peers that may open the streams of a protocol: their ids, which may be text, or a
#: function that decides about each.
Allow = Iterable[PeerID | str] | Callable[[PeerID], bool]

#: Decides whether a peer may open a stream.
Permits = Callable[[PeerID], bool]

_log = Logger()


def permits(allow: Allow) -> Permits:
    """
    Return the function that decides about peers.

    @param allow: a function, which is returned, or any number of peer ids.
    @raise InvalidPeerID: an entry is not a peer id.
    @raise ConfigurationError: it is a single text, or nothing of the kind.
    """
    if callable(allow):
        return allow
    if isinstance(allow, str | PeerID) or not isinstance(allow, Iterable):
        raise ConfigurationError(
            f"allow={allow}: it has to be a list of peer ids, such as"
            " ['12D3KooW…'], or a function of a PeerID"
        )
    return frozenset([PeerID.of(each) for each in allow]).__contains__


@implementer(IProtocolFactory)
class GuardedFactory:
    """
    Builds protocols for the streams of some peers, and refuses those of others.

    @ivar factory: builds the protocols.
    """

    def __init__(
        self,
        factory: IProtocolFactory,
        name: str,
        allows: Permits,
        refusals: RefusalLog | None,
    ) -> None:
        """
        @param name: the protocol, for the log.
        @param allows: decides about each peer.
        @param refusals: logs the refusals.
        """
        self.factory = factory
        self._name = name
        self._allows = allows
        self._refusals = refusals

    def admits(self, peer: PeerID) -> bool:
        """
        Decide about a peer, and log a refusal.  A function that raises has refused, and
        so has one that returns no bool: a coroutine would be true for every peer.
        """
        try:
            allowed = self._allows(peer)
            if not isinstance(allowed, bool):
                raise TypeError(f"it returned {type(allowed).__name__} instead of bool")
        except Exception:
            _log.failure("the list of {protocol} raised", protocol=self._name)
            allowed = False
        if not allowed and self._refusals is not None:
            self._refusals.unlisted(self._name, peer)
        return allowed

    def buildProtocol(self, addr: IAddress | None) -> IProtocol | None:
        """
        Build the protocol of a stream whose peer is allowed.
        """
        if isinstance(addr, PeerAddress) and self.admits(addr.peerID):
            return self.factory.buildProtocol(addr)
        return None

    def doStart(self) -> None:
        """
        Start the factory.
        """
        self.factory.doStart()

    def doStop(self) -> None:
        """
        Stop the factory.
        """
        self.factory.doStop()

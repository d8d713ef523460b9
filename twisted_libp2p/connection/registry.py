# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The application protocols that a node serves, and their factories.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from twisted.internet.interfaces import IProtocolFactory
from zope.interface import implementer

from twisted_libp2p.connection.guarded import Allow, GuardedFactory, permits
from twisted_libp2p.errors import ConfigurationError
from twisted_libp2p.identity import PeerID
from twisted_libp2p.interfaces import IRegistration, IRegistry
from twisted_libp2p.limits.refusallog import RefusalLog
from twisted_libp2p.logger import Logger
from twisted_libp2p.negotiation import protocolids

__all__ = ["Registration", "Registry"]

Match = Callable[[str], bool]


@implementer(IRegistration)
class Registration:
    """
    One factory, and the protocol ids that it serves.

    @ivar protocols: the exact ids; empty if a match function decides.
    @ivar factory: builds a protocol for each inbound stream; it is called
        with a L{PeerAddress<twisted_libp2p.address.PeerAddress>}, which has the
        negotiated id.
    @ivar allowLimited: whether our side may open streams of these ids on a connection
        that leads through a relay.
    """

    _log = Logger()

    def __init__(
        self,
        registry: Registry,
        protocols: tuple[str, ...],
        match: Match | None,
        factory: IProtocolFactory,
        allowLimited: bool = False,
    ) -> None:
        self._registry: Registry | None = registry
        self.protocols = protocols
        self.match = match
        self.factory = factory
        self.allowLimited = allowLimited

    def matches(self, protocol: str) -> bool:
        """
        Call the match function.  If it raises, the id does not match, and the error is
        logged.
        """
        if self.match is None:
            return False
        try:
            return bool(self.match(protocol))
        except Exception:
            self._log.failure("{match} of a registration raised", match=self.match)
            return False

    def cancel(self) -> None:
        """
        Serve no further stream; open streams go on.
        """
        registry, self._registry = self._registry, None
        if registry is not None:
            registry._remove(self)


@implementer(IRegistry)
class Registry:
    """
    The protocols that a node serves on inbound streams.

    An id is looked up literally first; then the match functions are called, in
    the order of their registration.
    """

    _log = Logger()

    def __init__(self, refusals: RefusalLog | None = None) -> None:
        """
        Serve nothing yet.

        @param refusals: logs the refused peers of protocols with a list.
        """
        self._refusals = refusals
        self._exact: dict[str, Registration] = {}
        self._matching: list[Registration] = []
        self._watchers: list[Callable[[], None]] = []

    def register(
        self,
        protocols: str | Iterable[str] | Match,
        factory: IProtocolFactory,
        *,
        allowLimited: bool = False,
        allow: Allow | None = None,
    ) -> Registration:
        """
        Serve a protocol.

        @param protocols: an id; or several, which one factory serves; or a
            function that returns whether an id is served.
        @param factory: builds a protocol for each inbound stream.
        @param allowLimited: whether our side may open streams of these ids on a
            connection that leads through a relay, with its limits on time and bytes.
        @param allow: the peers that may open streams: their ids, or a function that
            decides about each; None for all peers.  The streams of others are reset
            with the code C{GATED}.
        @return: the registration; to cancel it ends the service.
        @raise ConfigurationError: an id is served already, or is invalid; or C{allow}
            is not a list.
        @raise InvalidPeerID: an entry of C{allow} is not a peer id.
        """
        match = protocols if callable(protocols) else None
        # An id may be given twice.
        names = () if callable(protocols) else _distinct(protocols)
        for name in names:
            if name in self._exact:
                raise ConfigurationError(f"protocol {name} is served already")
        if allow is not None:
            name = names[0] if names else "matched protocols"
            factory = GuardedFactory(factory, name, permits(allow), self._refusals)
        registration = Registration(self, names, match, factory, allowLimited)
        self._exact.update(dict.fromkeys(names, registration))
        if match is not None:
            self._matching = [*self._matching, registration]
        self._changed()
        return registration

    def notServed(self, protocols: Sequence[str], peer: PeerID) -> None:
        """
        Log that a peer has asked for protocols of which none is served.
        """
        if self._refusals is not None:
            self._refusals.notServed(protocols, peer)

    def lookup(self, protocol: str) -> IProtocolFactory | None:
        """
        Return the factory that serves an id; None if the id is not served.
        """
        registration = self._exact.get(protocol)
        if registration is not None:
            return registration.factory
        if not protocol.isprintable():
            # It would appear in logs, events and the program's own texts.
            return None
        for registration in self._matching:
            if registration.matches(protocol):
                return registration.factory
        return None

    def allowsLimited(self, protocol: str) -> bool:
        """
        Check whether our side may open a stream of this protocol on a connection that
        leads through a relay.
        """
        registration = self._exact.get(protocol)
        return registration is not None and registration.allowLimited

    def protocols(self) -> tuple[str, ...]:
        """
        Return the ids that are served literally.
        """
        return tuple(self._exact)

    def watch(self, changed: Callable[[], None]) -> None:
        """
        Call a function after each change of the protocols.
        """
        self._watchers.append(changed)

    def _remove(self, registration: Registration) -> None:
        for name in registration.protocols:
            del self._exact[name]
        # A new list: the match function of one registration may cancel another.
        self._matching = [each for each in self._matching if each is not registration]
        self._changed()

    def _changed(self) -> None:
        for watcher in tuple(self._watchers):
            try:
                watcher()
            except Exception:
                self._log.failure("{watcher} of the registry raised", watcher=watcher)


def _distinct(protocols: str | Iterable[str]) -> tuple[str, ...]:
    """
    Return valid protocol ids, each once.

    @raise ConfigurationError: one of them is invalid.
    """
    return tuple(dict.fromkeys(protocolids.proposals(protocols)))

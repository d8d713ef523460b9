# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Which application protocols are served, and by which factory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from twisted.internet.interfaces import IProtocolFactory

from twisted_libp2p.errors import ConfigurationError

__all__ = ["MAX_PROTOCOL_ID", "Registration", "Registry"]

#: The most bytes of a protocol id that a message of multistream-select holds.
MAX_PROTOCOL_ID = 1023

Match = Callable[[str], bool]


class Registration:
    """
    One factory, and the protocol ids for which it is asked.

    @ivar protocols: the exact ids; empty where a match function decides.
    @ivar factory: builds a protocol for each inbound stream; it is called
        with a L{PeerAddress<twisted_libp2p.address.PeerAddress>}, which tells
        the id that was agreed.
    """

    def __init__(
        self,
        registry: Registry,
        protocols: tuple[str, ...],
        match: Match | None,
        factory: IProtocolFactory,
    ) -> None:
        self._registry: Registry | None = registry
        self.protocols = protocols
        self.match = match
        self.factory = factory

    def cancel(self) -> None:
        """
        Serve no further stream; those that are open go on.
        """
        registry, self._registry = self._registry, None
        if registry is not None:
            registry._remove(self)


class Registry:
    """
    The protocols that a node serves on inbound streams.

    An id is looked up literally first; then the match functions are asked, in
    the order of their registration.
    """

    def __init__(self) -> None:
        self._exact: dict[str, Registration] = {}
        self._matching: list[Registration] = []
        self._watchers: list[Callable[[], None]] = []

    def register(
        self, protocols: str | Iterable[str] | Match, factory: IProtocolFactory
    ) -> Registration:
        """
        Serve a protocol.

        @param protocols: an id; or several, which one factory serves; or a
            function that tells for an id whether it is served.
        @param factory: what serves it.
        @return: what ends it again.
        @raise ConfigurationError: an id is taken, or cannot be one.
        """
        if callable(protocols):
            registration = Registration(self, (), protocols, factory)
            self._matching.append(registration)
        else:
            names = (protocols,) if isinstance(protocols, str) else tuple(protocols)
            if not names:
                raise ConfigurationError("no protocol id is given to serve")
            for name in names:
                self._check(name)
            registration = Registration(self, names, None, factory)
            self._exact.update(dict.fromkeys(names, registration))
        self._changed()
        return registration

    def lookup(self, protocol: str) -> IProtocolFactory | None:
        """
        Find who serves an id; None if nobody does.
        """
        registration = self._exact.get(protocol)
        if registration is not None:
            return registration.factory
        for registration in self._matching:
            if registration.match is not None and registration.match(protocol):
                return registration.factory
        return None

    def protocols(self) -> tuple[str, ...]:
        """
        List the ids that are served literally.
        """
        return tuple(self._exact)

    def watch(self, changed: Callable[[], None]) -> None:
        """
        Call a function whenever the protocols have changed.
        """
        self._watchers.append(changed)

    def _check(self, name: str) -> None:
        if name in self._exact:
            raise ConfigurationError(f"protocol {name} is served already")
        encoded = name.encode("utf-8")
        if not 0 < len(encoded) <= MAX_PROTOCOL_ID or b"\n" in encoded:
            raise ConfigurationError(
                f"{name[:80]!r} is no protocol id: it needs 1 to {MAX_PROTOCOL_ID}"
                " bytes without a newline"
            )
        if name in ("na", "ls", "/multistream/1.0.0"):
            raise ConfigurationError(f"{name} is a word of multistream-select itself")

    def _remove(self, registration: Registration) -> None:
        for name in registration.protocols:
            del self._exact[name]
        if registration in self._matching:
            self._matching.remove(registration)
        self._changed()

    def _changed(self) -> None:
        for watcher in self._watchers:
            watcher()

# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Dialing: from a peer id and its addresses to a connection.

Any number of callers share one dial of a peer; each may cancel his own share,
and the dial goes on as long as anybody waits for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from twisted.internet.defer import CancelledError, Deferred, fail
from twisted.python.failure import Failure

from twisted_libp2p.address import Multiaddr
from twisted_libp2p.connection.connection import Connection
from twisted_libp2p.connection.upgrader import BOOTSTRAP, MULTISTREAM, Upgrader
from twisted_libp2p.errors import (
    ConfigurationError,
    DialFailed,
    DialToSelf,
    LegacyPeer,
    NoAddresses,
    UnsupportedAddress,
)
from twisted_libp2p.identity import PeerID
from twisted_libp2p.interfaces import IPeerStore, ITransport

__all__ = ["AUTO", "DIALECTS", "Dialer"]

#: Try the draft's dialect with peers that are not known to be legacy ones.
AUTO = "auto"

#: What a dialer may be told to speak on a fresh transport.
DIALECTS = (MULTISTREAM, BOOTSTRAP, AUTO)

#: The most addresses of one peer that are tried in one dial.
MAX_ADDRESSES = 100

#: What is dialed: a peer of which all addresses do, or one bare address.
_Target = PeerID | Multiaddr


class _Dial:
    """
    One dial under way, and those who wait for it.
    """

    def __init__(self) -> None:
        self.waiting: list[Deferred[Connection]] = []
        self.work: Deferred[None] | None = None

    def join(self) -> Deferred[Connection]:
        """
        Wait with the others.
        """
        share: Deferred[Connection] = Deferred(self._leave)
        self.waiting.append(share)
        return share

    def _leave(self, share: Deferred[Connection]) -> None:
        self.waiting.remove(share)
        if not self.waiting and self.work is not None:
            self.work.cancel()

    def finish(self, result: Connection | Failure) -> None:
        """
        Tell all who still wait.
        """
        waiting, self.waiting = self.waiting, []
        for share in waiting:
            if isinstance(result, Failure):
                share.errback(result)
            else:
                share.callback(result)


class Dialer:
    """
    Dials peers over the transports of a node.
    """

    def __init__(
        self,
        upgrader: Upgrader,
        transports: Sequence[ITransport],
        peerstore: IPeerStore,
        dialect: str = MULTISTREAM,
    ) -> None:
        """
        @param upgrader: makes connections of transports.
        @param transports: what addresses can be dialed with.
        @param peerstore: where addresses and dialects of peers are known.
        @param dialect: one of L{DIALECTS}.
        @raise ConfigurationError: there is no such dialect.
        """
        if dialect not in DIALECTS:
            raise ConfigurationError(
                f"no dialect {dialect!r}: choose one of {', '.join(DIALECTS)}"
            )
        self._upgrader = upgrader
        self._transports = transports
        self._peerstore = peerstore
        self._dialect = dialect
        self._dials: dict[_Target, _Dial] = {}

    def dial(
        self, peer: PeerID | None, addresses: Iterable[Multiaddr] = ()
    ) -> Deferred[Connection]:
        """
        Open a connection to a peer.

        @param peer: who has to answer; None accepts anybody.
        @param addresses: where to try first; for a peer, what the peerstore
            knows is tried as well.
        @return: fires with the connection.  Fails with L{DialFailed}, which
            tells for each address why; with L{NoAddresses}; with
            L{DialToSelf}.
        """
        if peer == self._upgrader.identity.peerID:
            return fail(DialToSelf(f"{peer} is this node itself"))
        candidates = [address.withoutPeer() for address in addresses]
        if peer is not None:
            candidates += self._peerstore.addresses(peer)
        candidates = list(dict.fromkeys(candidates))[:MAX_ADDRESSES]
        if not candidates:
            return fail(NoAddresses(f"no address of {peer} is known"))
        target: _Target = peer if peer is not None else candidates[0]
        dial = self._dials.get(target)
        if dial is not None:
            return dial.join()
        dial = self._dials[target] = _Dial()
        share = dial.join()
        dial.work = Deferred.fromCoroutine(self._work(dial, target, peer, candidates))
        return share

    def stop(self) -> None:
        """
        Give up all dials.
        """
        for dial in list(self._dials.values()):
            if dial.work is not None:
                dial.work.cancel()

    async def _work(
        self,
        dial: _Dial,
        target: _Target,
        peer: PeerID | None,
        addresses: Sequence[Multiaddr],
    ) -> None:
        """
        Try one address after the other, until one leads to the peer.
        """
        result: Connection | Failure | None = None
        causes: list[tuple[str, BaseException]] = []
        try:
            for address in addresses:
                try:
                    result = await self._dialAddress(peer, address)
                    break
                except CancelledError:
                    result = Failure()
                    break
                except Exception as error:
                    causes.append((str(address), error))
        finally:
            del self._dials[target]
            if result is None:
                result = Failure(DialFailed(str(target), causes))
            dial.finish(result)

    async def _dialAddress(self, peer: PeerID | None, address: Multiaddr) -> Connection:
        """
        Try one address in the dialect, or dialects, that fit the peer.
        """
        transport = next(
            (each for each in self._transports if each.canDial(address)), None
        )
        if transport is None:
            raise UnsupportedAddress(f"no transport of this node dials {address}")
        dialect = self._dialect
        if dialect == AUTO:
            known = self._peerstore.dialect(peer) if peer is not None else None
            try:
                return await self._attempt(transport, peer, address, known or BOOTSTRAP)
            except LegacyPeer:
                # Neither side can go on with a transport on which the two
                # dialects have met.
                dialect = MULTISTREAM
        return await self._attempt(transport, peer, address, dialect)

    async def _attempt(
        self,
        transport: ITransport,
        peer: PeerID | None,
        address: Multiaddr,
        dialect: str,
    ) -> Connection:
        """
        Connect and upgrade once.
        """
        upgrade = self._upgrader.outbound(transport, peer, dialect)
        await transport.clientEndpoint(address).connect(upgrade)
        connection = await upgrade.connection
        self._peerstore.setDialect(connection.remotePeer, dialect)
        self._peerstore.addAddresses(connection.remotePeer, [address])
        return connection

# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The identify service: asks every new peer for its description, answers with ours, and
pushes ours after a change.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.interfaces import IDelayedCall
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_libp2p.address import Multiaddr, PeerRecord
from twisted_libp2p.connection.building import StreamFactory
from twisted_libp2p.errors import (
    ConnectionClosing,
    Libp2pError,
    ProtocolViolation,
    untraced,
)
from twisted_libp2p.events import (
    AddressesChanged,
    ClosedConn,
    Identified,
    OpenedConn,
    ProtocolsChanged,
)
from twisted_libp2p.identity import PeerID
from twisted_libp2p.interfaces import (
    IConnection,
    Identification,
    IDrainable,
    IHost,
    IHostService,
)
from twisted_libp2p.logger import Logger
from twisted_libp2p.pacing import Deadlines
from twisted_libp2p.pacing.allowance import Allowance
from twisted_libp2p.protocols.identify.agents import mayBeJs
from twisted_libp2p.protocols.identify.description import (
    Audience,
    Description,
    describe,
    visible,
)
from twisted_libp2p.protocols.identify.messages import (
    PROTOCOL_ID,
    PUSH_PROTOCOL_ID,
)
from twisted_libp2p.protocols.identify.protocol import (
    DescriptionReceiver,
    DescriptionSender,
)
from twisted_libp2p.protocols.identify.reader import NOTHING, Reader
from twisted_libp2p.protocols.identify.version import Version

__all__ = ["IdentifyService"]

#: Seconds that a peer has to send its complete description.
TIMEOUT = 5.0

#: Seconds between a change of ours and the push of it, so that several changes make
#: one push.
PUSH_DELAY = 1.0

#: Number of pushes of one connection that are accepted at once, and the seconds after
#: which one more is.
PUSH_BURST = 10
PUSH_INTERVAL = 5.0


class _Peer:
    """
    The peer of one connection.

    @ivar facts: the facts that it has stated so far.
    @ivar sent: the version of our description that it was sent last.
    @ivar result: the outcome of our question; None so far.
    @ivar waiting: the callers that wait for the outcome.
    """

    # There is one for each connection, and most peers never push.
    __slots__ = ("_pushes", "facts", "result", "sent", "waiting")

    def __init__(self) -> None:
        self.facts = NOTHING
        self.sent: int | None = None
        self.result: Identification | Failure | None = None
        self.waiting: list[Deferred[Identification]] | None = None
        self._pushes: Allowance | None = None

    def mayPush(self, now: float) -> bool:
        """
        Take one push from the allowance, and return whether there was one.
        """
        if self._pushes is None:
            self._pushes = Allowance(PUSH_BURST, PUSH_INTERVAL, now)
        return self._pushes.take(now)

    def wait(self) -> Deferred[Identification]:
        """
        Wait for the outcome of our question.
        """
        waiting = self.waiting = self.waiting or []
        one: Deferred[Identification] = Deferred(waiting.remove)
        waiting.append(one)
        return one

    def settle(self, result: Identification | Failure) -> None:
        """
        Keep the outcome, and report it to the waiting callers.
        """
        if isinstance(result, Failure) and isinstance(result.value, Libp2pError):
            # It is kept for as long as the connection.
            result = Failure(untraced(result.value))
        self.result = result
        waiting, self.waiting = self.waiting, None
        for each in waiting or ():
            if isinstance(result, Failure):
                each.errback(result)
            else:
                each.callback(result)


@implementer(IDrainable, IHostService)
class IdentifyService(Service):
    """
    Speaks identify on all connections of a node.

    The facts that a peer states are published as
    L{Identified<twisted_libp2p.events.Identified>}.

    @ivar agent: the software that we state.
    @ivar changes: the number of changes of our description, by their kind.
    @ivar deadlines: the time that each peer has to send its message.
    """

    name = "identify"
    _log = Logger()
    _host: IHost
    deadlines: Deadlines

    def __init__(self, *, agent: str, protocolVersion: str) -> None:
        """
        @param agent: our software.
        @param protocolVersion: our network.
        """
        self.agent = agent
        self._protocolVersion = protocolVersion
        # Our message and its signed records, until the next change.
        self._descriptions: dict[tuple[Audience, int], Description] = {}
        self._records: dict[tuple[Multiaddr, ...], bytes] = {}
        self._peers: dict[Any, _Peer] = {}
        self._pushing: IDelayedCall | None = None
        self.changes: Counter[str] = Counter()

    def attach(self, host: IHost) -> None:
        """
        Serve the two protocols, and follow the connections of a node.
        """
        self._host = host
        self.deadlines = Deadlines(host.clock, TIMEOUT)
        self._version = Version(host.clock.seconds())
        # Both take few bytes, and tell a peer behind a relay how to reach us directly.
        host.registry.register(
            PROTOCOL_ID,
            StreamFactory(lambda: DescriptionSender(self)),
            allowLimited=True,
        )
        host.registry.register(
            PUSH_PROTOCOL_ID,
            StreamFactory(lambda: DescriptionReceiver(self, push=True)),
            allowLimited=True,
        )
        self._protocols = host.registry.protocols()
        host.registry.watch(self._protocolsChanged)
        host.events.subscribe(OpenedConn, self._opened)
        host.events.subscribe(ClosedConn, self._closed)
        host.events.subscribe(
            AddressesChanged,
            lambda _: self._changed(),
            lambda event: event.peer == host.peerID,
        )

    def identified(self, connection: IConnection) -> Deferred[Identification]:
        """
        Wait until a peer has described itself.

        @return: fires with the facts that it has stated by now; fails with the
            reason, after five seconds at the latest, or with L{ConnectionClosing}.
        """
        peer = self._peers.get(connection)
        if peer is None:
            return fail(ConnectionClosing("the connection has ended"))
        if isinstance(peer.result, Failure):
            return fail(peer.result)
        if peer.result is not None:
            return succeed(peer.facts)
        return peer.wait()

    # Changes

    def _protocolsChanged(self) -> None:
        """
        Publish which protocols of ours have changed, and push them soon.
        """
        before, self._protocols = self._protocols, self._host.registry.protocols()
        self._changed("protocols_updated")
        self._publishProtocols(self._host.peerID, before, self._protocols)

    def _changed(self, why: str = "addresses_updated") -> None:
        """
        Make a new version of our description, and push it soon.

        @param why: the change, as go-libp2p calls it.
        """
        self.changes[why] += 1
        self._version.advance()
        self._records.clear()
        self._descriptions.clear()
        self._schedule()

    def _publishProtocols(
        self, peer: PeerID, before: tuple[str, ...], now: tuple[str, ...]
    ) -> None:
        """
        Publish the protocols that a peer, or this node, serves since now or no
        longer.
        """
        added = tuple(set(now).difference(before))
        removed = tuple(set(before).difference(now))
        if added or removed:
            self._host.events.publish(
                ProtocolsChanged(
                    time=self._host.clock.seconds(),
                    peer=peer,
                    added=added,
                    removed=removed,
                )
            )

    def _schedule(self) -> None:
        """
        Push soon, unless that is scheduled already.
        """
        if self.running and self._pushing is None and self._peers:
            self._pushing = self._host.clock.callLater(PUSH_DELAY, self._push)

    def _push(self) -> None:
        """
        Send our description to the peers that accept pushes and do not have the
        newest version.
        """
        self._pushing = None
        for connection, peer in list(self._peers.items()):
            if (
                PUSH_PROTOCOL_ID in peer.facts.protocols
                and peer.sent != self._version.number
                and connection.connected
            ):
                connection.openStream(
                    PUSH_PROTOCOL_ID, StreamFactory(lambda: DescriptionSender(self))
                ).addErrback(lambda reason: None)

    def drain(self) -> None:
        """
        Push our description at once: it has no addresses any longer.
        """
        if self._pushing is not None:
            self._pushing.cancel()
            self._push()

    def stopService(self) -> None:
        """
        Push no longer.
        """
        super().stopService()
        pushing, self._pushing = self._pushing, None
        if pushing is not None:
            pushing.cancel()
        self.deadlines.rest()

    # Our message

    def message(self, connection: IConnection) -> bytes:
        """
        Return our message for the peer of a connection, and record that it is sent.
        """
        peer = self._peers.get(connection)
        if peer is not None:
            peer.sent = self._version.number
        remote = connection.remoteAddress
        # A listener that does not see the addresses of peers has its own at both ends.
        observed = None if remote == connection.localAddress else remote
        audience = Audience.of(remote)
        room = 0 if observed is None else len(observed.toBytes())
        description = self._descriptions.get((audience, room))
        if description is None:
            host = self._host
            listening = [each.withoutPeer() for each in host.addresses]
            description = self._descriptions[audience, room] = describe(
                host.identity,
                agent=self.agent,
                protocolVersion=self._protocolVersion,
                protocols=host.registry.protocols(),
                addresses=visible(listening, audience),
                room=room,
                seal=self._seal,
            )
        return description.message(observed)

    def _seal(self, addresses: tuple[Multiaddr, ...]) -> bytes:
        """
        Sign a record of addresses, once for each version.
        """
        sealed = self._records.get(addresses)
        if sealed is None:
            record = PeerRecord(self._host.peerID, self._version.number, addresses)
            sealed = self._records[addresses] = record.seal(self._host.identity)
        return sealed

    # The messages of peers

    def mayPush(self, connection: IConnection) -> bool:
        """
        Return whether one more push of a connection is accepted by now.
        """
        peer = self._peers.get(connection)
        return peer is not None and peer.mayPush(self._host.clock.seconds())

    def reader(self, connection: IConnection) -> Reader:
        """
        Return a reader for a message of the peer of a connection.
        """
        remote = connection.remoteAddress
        return Reader(connection.remoteKey, remote, self._host.addressFilter)

    def received(self, connection: Any, reader: Reader, push: bool) -> None:
        """
        Handle a complete identify message.

        @param push: whether the peer has sent it unasked.
        """
        peer = self._peers.get(connection)
        if peer is None:
            return
        before = peer.facts
        try:
            facts = reader.finish(before)
        except ProtocolViolation:
            if not push:
                self.failed(connection, Failure())
            return
        peer.facts = facts
        connection.endsApart = mayBeJs(facts.agent)
        if self._version.isOutdated(peer.sent):
            # There was a change before it was known whether the peer accepts pushes.
            self._schedule()
        if not push:
            peer.settle(facts)
        self._host.events.publish(
            Identified(
                time=self._host.clock.seconds(),
                connection=connection,
                peer=connection.remotePeer,
                agent=facts.agent,
                protocolVersion=facts.protocolVersion,
                protocols=facts.protocols,
                listenAddresses=facts.listenAddresses,
                observedAddress=facts.observedAddress,
                record=facts.record,
                push=push,
            )
        )
        if push:
            self._publishChanges(connection.remotePeer, before, facts)

    def _publishChanges(
        self, peer: PeerID, before: Identification, now: Identification
    ) -> None:
        """
        Publish which facts a push has changed.
        """
        self._publishProtocols(peer, before.protocols, now.protocols)
        if set(before.listenAddresses) != set(now.listenAddresses):
            self._host.events.publish(
                AddressesChanged(
                    time=self._host.clock.seconds(),
                    peer=peer,
                    addresses=now.listenAddresses,
                )
            )

    def failed(self, connection: IConnection, reason: Failure) -> None:
        """
        Record that a peer did not describe itself; its connection goes on.
        """
        peer = self._peers.get(connection)
        if peer is not None and peer.result is None:
            self._log.debug(
                "{peer} did not identify itself: {reason}",
                peer=connection.remotePeer,
                reason=reason.getErrorMessage(),
            )
            peer.settle(reason)

    def _opened(self, event: OpenedConn) -> None:
        """
        Ask the peer of a new connection.
        """
        connection = event.connection
        if not connection.connected:
            return
        self._peers[connection] = _Peer()
        asking = connection.openStream(
            PROTOCOL_ID, StreamFactory(lambda: DescriptionReceiver(self, push=False))
        )
        asking.addErrback(lambda reason: self.failed(connection, reason))

    def _closed(self, event: ClosedConn) -> None:
        """
        Forget the peer of a connection.
        """
        peer = self._peers.pop(event.connection, None)
        if peer is not None and peer.result is None:
            peer.settle(event.reason)
        if not self.running:
            self.deadlines.rest()

# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The service that knows whether peers can dial this node.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Hashable
from typing import Final

from twisted.application.service import Service
from twisted.internet.error import ConnectionDone
from zope.interface import implementer

from twisted_libp2p.address import Multiaddr
from twisted_libp2p.address.places import endOf, networkOf
from twisted_libp2p.errors import LocalError
from twisted_libp2p.events import (
    AddressesChanged,
    ClosedConn,
    Identified,
    OpenedConn,
    ReachabilityChanged,
)
from twisted_libp2p.interfaces import (
    AddressSource,
    Confidence,
    Direction,
    IDrainable,
    IHost,
    IHostService,
    ISubscription,
    OwnAddress,
    Reachability,
    Verdict,
)
from twisted_libp2p.logger import Logger
from twisted_libp2p.reachability.observed import (
    ACTIVE,
    MAX_REPORTS,
    Mapping,
)
from twisted_libp2p.reachability.prober import Outcome, Prober
from twisted_libp2p.reachability.questions import Questions
from twisted_libp2p.reachability.report import AddressReport, Report
from twisted_libp2p.reachability.server import AutoNATServer
from twisted_libp2p.reachability.servers import Server, Servers
from twisted_libp2p.reachability.sightings import Sightings, isPrivate, isPublic
from twisted_libp2p.reachability.tracker import Evidence, Tracker, Vote

__all__ = ["ReachabilityService"]

#: Number of hosts that are kept because we have dialed them: a router may let them in
#: where it lets in nobody else.
MAX_DIALED: Final = 4096

#: Seconds in which at most one change of the network is noticed by what peers do.
DOUBT_INTERVAL: Final = 60.0

#: Seconds in which as many connections have to be lost as are left, for a change of the
#: network.
LOSS_TIME: Final = 30.0

_CONFIDENCES = {
    Verdict.REACHABLE: Confidence.CONFIRMED,
    Verdict.UNREACHABLE: Confidence.UNREACHABLE,
}


@implementer(IDrainable, IHostService)
class ReachabilityService(Service):
    """
    Finds out at which addresses peers can dial this node.

    It gathers the addresses from which peers see us, asks servers of AutoNAT to dial
    our addresses, and gives peers none at which we were not reached.  It answers such
    questions of others if this node has a public address and is not known to be
    unreachable.

    Each change is a L{ReachabilityChanged<twisted_libp2p.events.ReachabilityChanged>}.

    @ivar server: answers the questions of others.
    @ivar questions: asks such questions.
    """

    name = "reachability"
    _log = Logger()

    def __init__(self) -> None:
        self._sightings = Sightings()
        self._tracker = Tracker()
        self._servers = Servers()
        self._dialed: OrderedDict[bytes, None] = OrderedDict()
        self._losses: deque[float] = deque(maxlen=MAX_REPORTS)
        self._judged: dict[Multiaddr, Confidence] = {}
        self._published: tuple[object, ...] = (Reachability.UNKNOWN, ())
        self._doubtedAt = -DOUBT_INTERVAL
        self._subscriptions: list[ISubscription] = []

    def attach(self, host: IHost) -> None:
        """
        Take the node.
        """
        self._host = host
        self.server = AutoNATServer(host)
        self.questions = Questions(
            host.clock, Prober(host), self._servers, self._tracker, self._answered
        )

    def startService(self) -> None:
        """
        Follow the connections.
        """
        super().startService()
        events, own = self._host.events, self._host.peerID
        self._subscriptions = [
            events.subscribe(OpenedConn, self._opened),
            events.subscribe(ClosedConn, self._closed),
            events.subscribe(Identified, self._identified),
            events.subscribe(
                AddressesChanged,
                lambda _: self._moved(),
                lambda event: event.peer == own,
            ),
        ]
        self._moved()

    def drain(self) -> None:
        """
        Give up all questions and answers.
        """
        self.stopService()

    def stopService(self) -> None:
        """
        Give up all questions and answers.
        """
        super().stopService()
        for each in self._subscriptions:
            each.cancel()
        self._subscriptions = []
        self.questions.stop()
        self.server.stop()
        self._servers.clear()
        self._sightings = Sightings()

    # The verdict

    @property
    def state(self) -> Reachability:
        """
        Whether peers in the internet can dial this node.
        """
        return self._tracker.reachability(self.mapping is Mapping.DEPENDENT)

    @property
    def mapping(self) -> Mapping:
        """
        How the router of this node chooses public ports.
        """
        return self._sightings.public.mapping()

    @property
    def verdicts(self) -> tuple[tuple[Multiaddr, Verdict], ...]:
        """
        The addresses that are judged, each with its verdict.
        """
        return tuple(
            (address, end.verdict)
            for end in self._tracker.ends.values()
            for address in end.addresses
        )

    def report(self) -> Report:
        """
        Return everything that is known.
        """
        seen = self._sightings.networks()
        return Report(
            self.state,
            self.mapping,
            len(self._servers),
            self._servers.networks,
            self.server.serving,
            tuple(self._describe(each, seen) for each in self._host.ownAddresses.all()),
        )

    def _describe(self, own: OwnAddress, seen: dict[Multiaddr, int]) -> AddressReport:
        """
        Return what is known of one address.

        @param seen: the number of networks that see each outer end.
        """
        address = own.address
        local = endOf(address)
        end = None if local is None else self._tracker.ends.get(local)
        if end is None or local is None or address not in end.addresses:
            return AddressReport(address, own.source, own.confidence, None)
        return AddressReport(
            address,
            own.source,
            own.confidence,
            end.verdict,
            end.since,
            end.stale,
            seen.get(local, 0),
            tuple(end.votes.values()),
            self.questions.notes.get(local, ""),
        )

    def explain(self) -> str:
        """
        Explain why this node can be dialed, or cannot: each address, which peers have
        tried it, and with what success.
        """
        return "\n".join(self.report().lines(self._host.clock.seconds()))

    # Events

    def _opened(self, event: OpenedConn) -> None:
        remote = event.remoteAddress
        if event.direction is Direction.OUTBOUND and isPublic(remote):
            assert remote is not None and remote.host is not None
            self._dialed[remote.host] = None
            self._dialed.move_to_end(remote.host)
            if len(self._dialed) > MAX_DIALED:
                self._dialed.popitem(last=False)

    def _closed(self, event: ClosedConn) -> None:
        connection = event.connection
        known = self._sightings.public.remove(connection)
        self._servers.forget(connection)
        if known and not event.reason.check(ConnectionDone, LocalError):
            now = self._host.clock.seconds()
            losses = self._losses
            losses.append(now)
            while now - losses[0] >= LOSS_TIME:
                losses.popleft()
            if len(losses) >= max(1, len(self._sightings.public)):
                self._doubt("connections were lost")
        if self._sightings.private.remove(connection) or known:
            self._update()

    def _moved(self) -> None:
        """
        Follow a change of our own addresses.
        """
        bound = frozenset(
            each.address
            for each in self._host.ownAddresses.all()
            if each.source is AddressSource.BOUND
        )
        before, self._sightings.bound = self._sightings.bound, bound
        if before and before != bound:
            self._tracker.doubt()
        self._update()

    def _doubt(self, reason: str) -> None:
        """
        Ask for new votes, because the network seems to have changed.
        """
        now = self._host.clock.seconds()
        if now - self._doubtedAt >= DOUBT_INTERVAL:
            self._doubtedAt = now
            self._log.debug("the network may have changed: {reason}", reason=reason)
            self._tracker.doubt()

    def _identified(self, event: Identified) -> None:
        connection = event.connection
        remote, observed = connection.remoteAddress, event.observedAddress
        if not connection.connected:
            return
        ends = None
        if observed is not None:
            ends = self._sightings.ends(connection.localAddress, observed)
        news = False
        if isPublic(remote):
            network = networkOf(remote)
            news = self._servers.learn(connection, network, event.protocols)
            if ends is not None and isPublic(observed):
                news = self._observe(event, *ends, network) or news
        elif ends is not None and isPrivate(remote) and isPrivate(observed):
            outbound = connection.direction is Direction.OUTBOUND
            private = self._sightings.private
            news = private.add(connection, *ends, networkOf(remote), outbound)
        if news:
            self._update()

    def _observe(
        self, event: Identified, inner: Multiaddr, outer: Multiaddr, network: Hashable
    ) -> bool:
        """
        Take the public end from which a peer sees an end on which we listen.

        @return: whether it was taken.
        """
        connection = event.connection
        hosts = {each.end.host for each in self._sightings.public.outer(inner)}
        outbound = connection.direction is Direction.OUTBOUND
        if not self._sightings.public.add(connection, inner, outer, network, outbound):
            return False
        if hosts and outer.host not in hosts:
            self._doubt(f"a peer sees us at {outer}")
        remote = connection.remoteAddress
        if not outbound and remote is not None and remote.host not in self._dialed:
            # It has dialed the address that it reports, and no router lets it in
            # because of what we have done.
            self._update()
            self._vote(outer, network, event.peer, True, Evidence.INBOUND)
        return True

    # Our addresses

    def _update(self) -> None:
        """
        Give the observed addresses to their owner, and track all public ones.
        """
        if not self.running:
            return
        own = self._host.ownAddresses
        observed = list(dict.fromkeys(self._sightings.addresses()))
        known = [
            each.address for each in own.all() if each.source is AddressSource.OBSERVED
        ]
        others = [each for each in own.all() if each.address not in known]
        if set(observed) - {each.address for each in others} != set(known):
            own.replace(AddressSource.OBSERVED, observed)
        tracked = [each.address for each in own.all() if isPublic(each.address)]
        self._tracker.networks = self._servers.networks
        self._tracker.track(tracked)
        self._judge()
        self.questions.soon()

    def _judge(self) -> None:
        """
        Give the verdicts to the owner of the addresses, and publish them.
        """
        own = self._host.ownAddresses
        networks = self._sightings.networks()
        all_ = own.all()
        known = {each.address for each in all_}
        self._judged = {
            each: judged for each, judged in self._judged.items() if each in known
        }
        for each in all_:
            wanted = self._confidence(each, networks)
            if wanted is not self._judged.get(each.address):
                own.judge(each.address, wanted)
                self._judged.pop(each.address, None)
                if wanted is not None:
                    self._judged[each.address] = wanted
        self._serve()
        self._publish()

    def _confidence(
        self, own: OwnAddress, networks: dict[Multiaddr, int]
    ) -> Confidence | None:
        """
        Return the confidence in an address; None for that of its source.
        """
        if not isPublic(own.address):
            return None
        confidence = _CONFIDENCES.get(self._tracker.verdict(own.address))
        if own.source is AddressSource.ANNOUNCED:
            # The user knows better.
            return confidence if confidence is Confidence.CONFIRMED else None
        if confidence is None and own.source is AddressSource.OBSERVED:
            end = endOf(own.address)
            if end is not None and networks.get(end, 0) >= ACTIVE:
                return Confidence.LIKELY
        return confidence

    def _serve(self) -> None:
        """
        Answer the questions of others, or stop to do so.
        """
        host = self._host
        public = any(
            isPublic(each.address)
            for each in host.ownAddresses.all()
            if each.source is not AddressSource.OBSERVED
        )
        state = self.state
        if state is Reachability.PUBLIC or (
            public and state is not Reachability.PRIVATE
        ):
            if self.running and host.proxy is None:
                self.server.open()
        else:
            self.server.close()

    def _publish(self) -> None:
        """
        Publish the verdicts, if they have changed.
        """
        state, verdicts = self.state, self.verdicts
        before, self._published = self._published, (state, verdicts)
        if before == self._published:
            return
        if before[0] is not state:
            self._log.info("reachability: {state}", state=state.value)
        self._host.events.publish(
            ReachabilityChanged(
                time=self._host.clock.seconds(), reachability=state, verdicts=verdicts
            )
        )

    def _vote(
        self,
        end: Multiaddr,
        network: Hashable,
        peer: object,
        reached: bool,
        evidence: Evidence,
    ) -> None:
        """
        Count the answer of a peer.
        """
        now = self._host.clock.seconds()
        self._tracker.networks = self._servers.networks
        self._tracker.vote(end, network, Vote(reached, now, str(peer), evidence))
        self._judge()

    def _answered(self, end: Multiaddr, server: Server, outcome: Outcome) -> None:
        """
        Count the answer of a server.
        """
        assert outcome.reached is not None
        self._vote(end, server.network, server.peer, outcome.reached, outcome.evidence)

# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Metrics for Prometheus, under the names and labels of go-libp2p, so that its
dashboards (C{dashboards/} of its repository) show a node of ours as well.

Events are counted when they are published: once for a connection, once for a stream,
never for a frame.  The present use is looked up for each request
(L{twisted_libp2p.status.usage}).

The package C{prometheus_client} is needed: the extra C{metrics}.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from twisted.internet.interfaces import IReactorTime
from twisted.python.reflect import requireModule
from twisted.web import resource as web
from twisted.web.resource import IResource
from twisted.web.server import Request

from twisted_libp2p.address import Multiaddr
from twisted_libp2p.errors import ConfigurationError
from twisted_libp2p.events import (
    ClosedConn,
    Event,
    Identified,
    LimitReached,
    OpenedConn,
    OpenedStream,
    Subscription,
)
from twisted_libp2p.identity.algorithms import KeyType
from twisted_libp2p.interfaces import Direction, Resource, ScopeKind
from twisted_libp2p.node import Node
from twisted_libp2p.protocols.identify import PROTOCOL_ID, PUSH_PROTOCOL_ID
from twisted_libp2p.relay.events import (
    CircuitClosed,
    ReservationAnswered,
    ReservationHeld,
    ReservationLost,
)
from twisted_libp2p.relay.messages import Status
from twisted_libp2p.status.certificates import certificateMetrics
from twisted_libp2p.status.delay import ReactorDelay
from twisted_libp2p.status.dials import dialMetrics, seconds
from twisted_libp2p.status.finding import findingMetrics
from twisted_libp2p.status.guard import Guarded
from twisted_libp2p.status.health import addHealth
from twisted_libp2p.status.internals import internals
from twisted_libp2p.status.reaching import punching, reaching
from twisted_libp2p.status.traffic import Traffic, trafficMetrics
from twisted_libp2p.status.usage import usage
from twisted_libp2p.status.web import WebService

__all__ = ["NodeMetrics", "serveMetrics"]

#: Number of protocols that have a series of their own: peers may invent protocols
#: that a match function takes, and a series is for ever.
MAX_PROTOCOLS = 200

#: The same number for other names: of events, transports, security protocols and
#: muxers.
MAX_PARTS = 200

#: The longest value of a label, in characters.
MAX_LABEL = 200

#: The name of the metric of late timers.
REACTOR_DELAY = "libp2p_reactor_delay_seconds"

#: The value of a label that stands for all others.
OTHER = "other"

_KEY_TYPES = {
    KeyType.RSA: "RSA",
    KeyType.ED25519: "Ed25519",
    KeyType.SECP256K1: "Secp256k1",
    KeyType.ECDSA: "ECDSA",
}

# Transports that go-libp2p calls by other names.
_TRANSPORTS = {"quic": "quic-v1"}

_STACK = ("transport", "security", "muxer", "early_muxer", "ip_version")
_CONNECTION = ("dir", *_STACK)

# The buckets of go-libp2p: a sixteenth of a second to 24 days; a millisecond
# to 7.5 seconds; 1 to 20, and on to 100.
_DURATIONS = tuple(2.0**each for each in range(-4, 21))
_HANDSHAKES = tuple(0.001 * 1.3**each for each in range(35))
_SIZES = (*range(1, 21), *range(25, 101, 5))


def require(name: str) -> Any:
    """
    Import a module of prometheus_client.

    @raise ConfigurationError: it is not installed.
    """
    module = requireModule(name)
    if module is None:
        raise ConfigurationError(
            "metrics need prometheus_client: pip install 'twisted-libp2p[metrics]'"
        )
    return module


def ipVersion(address: Multiaddr | None) -> str:
    """
    Return the version of IP as go-libp2p does: C{ip4}, C{ip6} or C{unknown}.
    """
    first = next(iter(() if address is None else address.names), "")
    return {"ip4": "ip4", "dns4": "ip4", "ip6": "ip6", "dns6": "ip6"}.get(
        first, "unknown"
    )


class NodeMetrics:
    """
    The metrics of one node.

    @ivar registry: the registry of prometheus_client that holds them.
    @ivar delay: measures how late the reactor is, from its start on.
    """

    def __init__(self, node: Node, registry: Any = None) -> None:
        """
        Begin to count the events of a node.

        @param node: the node, whose events are counted from now on.
        @param registry: a C{CollectorRegistry} that holds no other node; by default a
            new one, with the metrics of the process.
        @raise ConfigurationError: prometheus_client is not installed.
        """
        client = require("prometheus_client")
        if registry is None:
            registry = client.CollectorRegistry()
            client.ProcessCollector(registry=registry)
        self.registry = registry
        self._node = node
        self._clock: IReactorTime = node.reactor
        self._served = _Values()
        self._protocols = _Values()
        self._parts = _Values()
        self._make(client)
        self._makeRelays(client)
        self._usage: list[Any] = []
        self._traffic = Traffic(node)
        self.delay = ReactorDelay(node.clock)
        registry.register(self)
        subscribe = node.events.subscribe
        self._subscriptions: list[Subscription[Any]] = [
            subscribe(Event, self._emitted),
            subscribe(OpenedConn, self._opened),
            subscribe(ClosedConn, self._closed),
            subscribe(OpenedStream, self._openedStream),
            subscribe(Identified, self._identified),
            subscribe(LimitReached, self._refused),
            subscribe(ReservationHeld, lambda _: self._moved(self._places)),
            subscribe(ReservationLost, lambda _: self._moved(self._placesLost)),
            subscribe(CircuitClosed, self._circuitClosed),
            subscribe(ReservationAnswered, self._answered),
        ]

    def _make(self, client: Any) -> None:
        def counter(name: str, about: str, *labels: str) -> Any:
            return client.Counter(name, about, labels, registry=self.registry)

        def histogram(name: str, about: str, buckets: Any, *labels: str) -> Any:
            return client.Histogram(
                name, about, labels, buckets=buckets, registry=self.registry
            )

        swarm, identify = "libp2p_swarm", "libp2p_identify"
        self._openedTotal = counter(
            f"{swarm}_connections_opened_total", "Connections opened", *_CONNECTION
        )
        self._closedTotal = counter(
            f"{swarm}_connections_closed_total", "Connections closed", *_CONNECTION
        )
        self._duration = histogram(
            f"{swarm}_connection_duration_seconds",
            "Duration of a connection",
            _DURATIONS,
            *_CONNECTION,
        )
        self._handshake = histogram(
            f"{swarm}_handshake_latency_seconds",
            "Duration of the upgrade of a connection",
            _HANDSHAKES,
            *_STACK,
        )
        self._keyTypes = counter(
            f"{swarm}_key_types_total", "Types of keys of peers", "dir", "key_type"
        )
        self._streams = counter(
            "libp2p_protocol_streams_total", "Streams opened", "dir", "protocol"
        )
        self._events = counter(
            "libp2p_eventbus_events_emitted_total", "Events published", "event"
        )
        self._identify = counter(f"{identify}_identify_total", "Identify", "dir")
        self._push = counter(f"{identify}_identify_push_total", "Push", "dir")
        self._pushSupport = counter(
            f"{identify}_conn_push_support_total",
            "Connections whose peer takes pushes, or does not",
            "support",
        )
        self._protocolsReceived = histogram(
            f"{identify}_protocols_received", "Protocols that a peer serves", _SIZES
        )
        self._addressesReceived = histogram(
            f"{identify}_addrs_received", "Addresses at which a peer listens", _SIZES
        )
        self._blocked = client.Gauge(
            "libp2p_rcmgr_blocked_resources",
            "Refusals by limits, reported once a second at the most",
            ("dir", "scope", "resource"),
            registry=self.registry,
        )

    def _makeRelays(self, client: Any) -> None:
        """
        Make the metrics of the events of relays.
        """
        self._places, self._placesLost = (
            client.Counter(
                f"libp2p_autorelay_reservations_{what}_total",
                f"Places at relays that have {what}",
                registry=self.registry,
            )
            for what in ("opened", "closed")
        )
        self._relayAddresses = client.Counter(
            "libp2p_autorelay_relay_addresses_updated_total",
            "Changes of the addresses that lead here through relays",
            registry=self.registry,
        )
        self._requests = client.Counter(
            "libp2p_autorelay_reservation_requests_outcome_total",
            "Requests for places at relays",
            ("request_type", "outcome"),
            registry=self.registry,
        )
        self._circuits = client.Histogram(
            "libp2p_relaysvc_connection_duration_seconds",
            "Duration of a circuit, as its relay",
            registry=self.registry,
        )

    def close(self) -> None:
        """
        Stop counting.
        """
        for each in self._subscriptions:
            each.cancel()
        self._traffic.close()
        self.registry.unregister(self)

    # The present use

    def refresh(self) -> None:
        """
        Look up the present use.  L{resource} does so for each request; code that
        exports the registry in another way has to call this, in the reactor's thread.
        """
        core = require("prometheus_client.core")
        self._usage = [
            *usage(self._node, core, self._protocol),
            *dialMetrics(self._node, core),
            *reaching(self._node, core),
            *punching(self._node, core),
            *certificateMetrics(self._node, core),
            *internals(self._node, core),
            seconds(core, REACTOR_DELAY, "Delay of a timer", {(): self.delay.times}),
            *findingMetrics(self._node, core),
            *trafficMetrics(self._traffic, core),
        ]

    def collect(self) -> list[Any]:
        """
        Return the use as it was at the last L{refresh}; for the registry, which may
        call this in any thread.
        """
        return self._usage

    def resource(self, hosts: Collection[str] = ()) -> IResource:
        """
        Return a web resource with all metrics of C{registry}: the one of
        prometheus_client, which writes the text in a thread of the global reactor.

        @param hosts: names of hosts that requests may use, as well as this machine's
            own addresses.
        """
        text = require("prometheus_client.twisted").MetricsResource(self.registry)
        return _Metrics(self, text, hosts)

    # Events

    def _protocol(self, name: str) -> str:
        """
        Return the label of a protocol.  Strangers cannot take the places of the
        served protocols.
        """
        if name in self._served:
            return name
        if name in self._node.registry.protocols():
            return self._served.label(name, MAX_PROTOCOLS)
        return self._protocols.label(name, MAX_PROTOCOLS - len(self._served))

    def _stack(self, event: OpenedConn | ClosedConn) -> tuple[str, ...]:
        connection = event.connection
        return (
            self._parts.label(
                _TRANSPORTS.get(connection.transport, connection.transport), MAX_PARTS
            ),
            self._parts.label(event.security, MAX_PARTS),
            self._parts.label(event.muxer, MAX_PARTS),
            "true" if connection.early else "false",
            ipVersion(event.localAddress),
        )

    def _emitted(self, event: Event) -> None:
        self._events.labels(self._parts.label(type(event).__name__, MAX_PARTS)).inc()

    def _opened(self, event: OpenedConn) -> None:
        stack = self._stack(event)
        self._openedTotal.labels(event.direction, *stack).inc()
        self._handshake.labels(*stack).observe(event.connection.upgradeTime)
        kind = _KEY_TYPES[event.connection.remoteKey.type]
        self._keyTypes.labels(event.direction, kind).inc()

    def _closed(self, event: ClosedConn) -> None:
        labels = (event.direction, *self._stack(event))
        self._closedTotal.labels(*labels).inc()
        self._duration.labels(*labels).observe(event.time - event.connection.openedAt)

    def _openedStream(self, event: OpenedStream) -> None:
        protocol = self._protocol(event.protocolID)
        self._streams.labels(event.direction, protocol).inc()
        # The side that opens the stream asks in identify, and answers in a push.
        if protocol == PROTOCOL_ID and event.direction is Direction.INBOUND:
            self._identify.labels("inbound").inc()
        elif protocol == PUSH_PROTOCOL_ID and event.direction is Direction.OUTBOUND:
            self._push.labels("outbound").inc()

    def _identified(self, event: Identified) -> None:
        if event.push:
            self._push.labels("inbound").inc()
        else:
            self._identify.labels("outbound").inc()
            supported = PUSH_PROTOCOL_ID in event.protocols
            self._pushSupport.labels(
                "supported" if supported else "not supported"
            ).inc()
        self._protocolsReceived.observe(len(event.protocols))
        self._addressesReceived.observe(len(event.listenAddresses))

    def _moved(self, places: Any) -> None:
        places.inc()
        self._relayAddresses.inc()

    def _answered(self, event: ReservationAnswered) -> None:
        self._requests.labels(
            "refresh" if event.renewal else "new",
            _ANSWERS.get(event.status, "err other"),
        ).inc()

    def _circuitClosed(self, event: CircuitClosed) -> None:
        self._circuits.observe(event.seconds)

    def _refused(self, event: LimitReached) -> None:
        # Applications publish events too: no value of theirs becomes a label.
        self._blocked.labels(
            "inbound" if event.direction is Direction.INBOUND else "unknown",
            event.kind if event.kind in _KINDS else OTHER,
            _RESOURCES.get(event.resource, OTHER),
        ).inc(event.count)


_KINDS = frozenset(ScopeKind)

#: Resources, as go-libp2p calls them.
_RESOURCES = {
    Resource.CONNECTIONS: "connection",
    Resource.STREAMS: "stream",
    Resource.MEMORY: "memory",
}


#: The answers of relays, as go-libp2p calls them.
_ANSWERS: dict[int | None, str] = {
    Status.OK: "success",
    Status.CONNECTION_FAILED: "connection failed",
    Status.MALFORMED_MESSAGE: "malformed message",
    Status.RESERVATION_REFUSED: "reservation refused",
    Status.PERMISSION_DENIED: "permission denied",
    Status.RESOURCE_LIMIT_EXCEEDED: "resource limit exceeded",
}


class _Values(set[str]):
    """
    The values of a label that have a series of their own.
    """

    def label(self, value: str, maximum: int) -> str:
        """
        Return a value, or L{OTHER} if there are too many already, or it is not
        worth a series.

        @param maximum: number of values that may have a series.
        """
        if value in self:
            return value
        if len(self) >= maximum or len(value) > MAX_LABEL or not value.isprintable():
            return OTHER
        self.add(value)
        return value


class _Metrics(Guarded):
    """
    Looks up the present use, and lets the resource of prometheus_client answer.
    """

    # The reader chooses the format.
    contentType = ""
    linkable = True

    def __init__(self, metrics: NodeMetrics, text: Any, hosts: Collection[str]) -> None:
        super().__init__(hosts)
        self._metrics = metrics
        self._text = text

    def answer(self, request: Request) -> Any:
        """
        Return the metrics as text.
        """
        self._metrics.refresh()
        return self._text.render(request)


def serveMetrics(
    reactor: Any, node: Node, description: str, hosts: Collection[str] = ()
) -> WebService:
    """
    Serve the metrics of a node at C{/metrics}, for as long as it runs.

    @param reactor: the reactor that listens.
    @param node: becomes the parent of the service.
    @param description: a server endpoint such as C{tcp:9100}, on loopback unless it
        names an C{interface}.
    @param hosts: names of hosts that requests may use, as well as this machine's own
        addresses, such as the name that Prometheus uses.
    @return: the service, whose name is C{metrics}.
    @raise ConfigurationError: the endpoint is invalid, or prometheus_client
        is not installed.
    """
    metrics = NodeMetrics(node)
    root = web.Resource()
    root.putChild(b"metrics", metrics.resource(hosts))
    addHealth(root, node.conditions, hosts)

    def build() -> tuple[IResource, Callable[[], None]]:
        metrics.delay.start()
        return root, metrics.delay.stop

    service = WebService(reactor, description, build, "metrics")
    service.setName("metrics")
    service.setServiceParent(node)
    return service

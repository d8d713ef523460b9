# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The node that is attacked: default settings, and an echo.

It begins as the test peers of C{tests/interop} do, with a line that tells its peer
id, its addresses and its process id.
"""

from __future__ import annotations

import argparse
import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import deferLater

from tests.account import openFiles
from tests.attacks.console import run
from tests.attacks.finding import Finding
from tests.attacks.product import Product
from tests.attacks.topics import KINDS, Topics
from twisted_libp2p.address import Multiaddr
from twisted_libp2p.autotls import AutoTLS
from twisted_libp2p.autotls.events import CertificateFailed
from twisted_libp2p.connmanager import ListGater
from twisted_libp2p.events import (
    ClosedConn,
    ClosedStream,
    Event,
    OpenedConn,
    OpenedStream,
)
from twisted_libp2p.identity import PeerID
from twisted_libp2p.interfaces import AddressSource, Source
from twisted_libp2p.limits import Limits
from twisted_libp2p.node import Node
from twisted_libp2p.protocols.echo import PROTOCOL_ID, EchoFactory
from twisted_libp2p.quic.backends import AUTO
from twisted_libp2p.quic.transport import QuicProvider
from twisted_libp2p.relay.port import CircuitPort
from twisted_libp2p.relay.service import RelayService
from twisted_libp2p.transport.private import PrivateNetwork

loop: Any = reactor

#: The address of QUIC, after that of the host.
QUIC = "/udp/0/quic-v1"
WEB = f"{QUIC}/webtransport"
RTC = "/udp/0/webrtc-direct"


class Word(Protocol):
    """
    Sends a word to echo, and waits for it.
    """

    transport: Any

    def __init__(self) -> None:
        self.answer: Deferred[bytes] = Deferred()

    def connectionMade(self) -> None:
        self.transport.write(b"word")

    def dataReceived(self, data: bytes) -> None:
        self.transport.loseConnection()
        if not self.answer.called:
            self.answer.callback(data)

    def connectionLost(self, reason: Any = None) -> None:
        # Nobody may wait: the stream may end before its protocol is agreed on.
        if not self.answer.called:
            self.answer.callback(b"")


class Victim:
    """
    The node, and what can be asked about it.
    """

    def __init__(
        self,
        host: str,
        psk: str | None,
        memory: int | None,
        peerstore: str | None,
        kinds: Sequence[str] = ("",),
        backend: str | None = None,
        tickets: bool = False,
        relay: bool = False,
        dht: bool = False,
        point: bool = False,
        punching: bool = True,
        pubsub: str | None = None,
        product: bool = False,
    ) -> None:
        network = None if psk is None else PrivateNetwork.fromFile(psk)
        # As on a machine which has eight times as much memory.
        limits = None if memory is None else Limits.scaled(256, memory << 20)
        if pubsub == "open":
            limits = replace(Limits.scaled(), subnets=())
        self._gater = ListGater()
        transports: list[str | QuicProvider] | None = None
        if backend is not None or tickets:
            settings = {"tickets": 2} if tickets else None
            transports = ["tcp", QuicProvider(backend or AUTO, settings=settings)]
        self._node = Node(
            reactor,
            listen=[
                f"/ip4/{host}{each if each in (QUIC, WEB, RTC) else f'/tcp/0{each}'}"
                for each in kinds
            ],
            network=network,
            limits=limits,
            peerstore=peerstore,
            gater=self._gater,
            holePunching=punching,
            transports=transports,
        )
        self._relay = RelayService()
        if relay:
            self._node.add(self._relay)
        self.finding = Finding(self._node, dht, point)
        self.topics = Topics(self._node, pubsub)
        self.product = Product(self._node) if product else None
        self._node.registry.register(PROTOCOL_ID, EchoFactory())
        self._counts: Counter[str] = Counter()
        self._reasons: Counter[str] = Counter()
        for kind in (OpenedConn, ClosedConn, OpenedStream, ClosedStream):
            self._node.events.subscribe(kind, self._count)
        self._node.events.subscribe(
            ClosedConn,
            lambda event: self._reasons.update([type(event.reason.value).__name__]),
        )

    def _count(self, event: Event) -> None:
        self._counts[type(event).__name__] += 1

    async def start(self) -> dict[str, Any]:
        """
        Listen, and say who and where.
        """
        self._node.startService()
        addresses = await self._node.whenListening()
        await self.topics.start()
        return {
            "peerId": str(self._node.peerID),
            "addrs": [str(each) for each in addresses],
            "pid": os.getpid(),
        }

    async def state(self) -> dict[str, Any]:
        """
        Tell what there is, and what there has been.
        """
        limiter = self._node.connections.limiter
        return {
            **{
                kind.__name__: self._counts[kind.__name__]
                for kind in (OpenedConn, ClosedConn, OpenedStream, ClosedStream)
            },
            "reasons": dict(self._reasons),
            "connections": len(self._node.connections),
            "streams": sum(len(each.streams) for each in self._node.connections),
            "upgrading": limiter.transient.used.connections,
            "negotiating": limiter.transient.used.streams,
            "networks": len(limiter.subnets.counts),
            "calls": len(loop.getDelayedCalls()),
            "reservations": len(self._relay.book),
            "circuits": self._relay.book.circuits,
            "providers": len(self.finding.dht.providers),
            **self.topics.state(),
        }

    async def dial(self, *targets: str) -> dict[str, Any]:
        """
        Connect to a peer, at these addresses, and send a word to its echo.
        """
        began = loop.seconds()
        try:
            protocol: Any = await self._node.connector(
                self._target(targets), PROTOCOL_ID
            ).connect(Factory.forProtocol(Word))
            answer = await protocol.answer
        except Exception as error:
            return self._failed(error, began)
        return {
            "ok": answer == b"word",
            "seconds": loop.seconds() - began,
            "error": "",
        }

    async def proxied(self, proxy: str, target: str) -> dict[str, Any]:
        """
        Let another node dial through a proxy.
        """
        began = loop.seconds()
        node = Node(reactor, dialThrough=proxy)
        node.startService()
        try:
            await node.connect(target)
        except Exception as error:
            return self._failed(error, began)
        finally:
            await node.stopService()
        return {"ok": True, "seconds": loop.seconds() - began, "error": ""}

    async def certified(
        self, directory: str, roots: str, folder: str
    ) -> dict[str, Any]:
        """
        Let another node ask an authority for a certificate, and return why there is
        none.
        """
        began = loop.seconds()
        service = AutoTLS(folder, directory=directory, broker=directory, roots=roots)
        node = Node(reactor, listen=["/ip4/127.0.0.1/tcp/0"], services=[service])
        failing = node.events.next(CertificateFailed)
        node.startService()
        try:
            return self._failed((await failing).reason, began)
        finally:
            await node.stopService()

    async def reach(self, peer: str) -> dict[str, Any]:
        """
        Connect to a peer, at the addresses that are known of it.
        """
        began = loop.seconds()
        try:
            await self._node.connect(PeerID.fromText(peer))
        except Exception as error:
            return self._failed(error, began)
        return {"ok": True, "seconds": loop.seconds() - began, "error": ""}

    async def crowd(self, count: str, *targets: str) -> dict[str, Any]:
        """
        Connect to a peer, for so many callers at once.
        """
        began = loop.seconds()
        target = self._target(targets)
        calls = [self._node.connect(target) for _ in range(int(count))]
        try:
            found = {id(await each) for each in calls}
        except Exception as error:
            for each in calls:
                each.addErrback(lambda reason: None)
            return self._failed(error, began)
        return {"connections": len(found), "seconds": loop.seconds() - began}

    def _target(self, targets: tuple[str, ...]) -> PeerID | str:
        """
        Give what is to be dialed: one address as it is, several by the peer.
        """
        if len(targets) == 1:
            return targets[0]
        addresses = [Multiaddr(each) for each in targets]
        peer = addresses[0].peerID
        assert peer is not None
        self._node.peerstore.addAddresses(
            peer,
            [each.withoutPeer() for each in addresses],
            source=Source.CONFIGURED,
        )
        return peer

    def _failed(self, error: BaseException, began: float) -> dict[str, Any]:
        return {
            "ok": False,
            "seconds": loop.seconds() - began,
            "error": f"{type(error).__name__}: {error}",
        }

    async def chosen(self, peer: str) -> dict[str, Any]:
        """
        Tell which connection to a peer is used.
        """
        found = self._node.connections.to(PeerID.fromText(peer))
        ends = sorted([str(found[0].localAddress), str(found[0].remoteAddress)])
        return {"ends": ends, "connections": len(found)}

    async def part(self, peer: str) -> dict[str, Any]:
        """
        Close all connections to a peer.
        """
        for each in self._node.connections.to(PeerID.fromText(peer)):
            await each.close()
        return {}

    async def gate(self, peer: str) -> dict[str, Any]:
        """
        Refuse a peer from now on.
        """
        self._gater.blocked.add(PeerID.fromText(peer))
        return {}

    async def protect(self, *peers: str) -> dict[str, Any]:
        """
        Keep some peers.
        """
        for each in peers:
            self._node.connections.protect(PeerID.fromText(each), "test", redial=False)
        return {}

    async def known(self, peer: str) -> dict[str, Any]:
        """
        Tell what is known of a peer.
        """
        identity = PeerID.fromText(peer)
        store = self._node.peerstore
        return {
            "addresses": [str(each) for each in store.addresses(identity)],
            "protocols": sorted(store.protocols(identity)),
        }

    async def announce(self, address: str) -> dict[str, Any]:
        """
        State an address, as the user does.
        """
        self._node.ownAddresses.replace(AddressSource.ANNOUNCED, [Multiaddr(address)])
        return {}

    async def verdict(self) -> dict[str, Any]:
        """
        Tell whether it can be dialed, and the addresses that it states.
        """
        return {
            "state": self._node.reachability.state.value,
            "addresses": [str(each) for each in self._node.addresses],
        }

    async def identity(self) -> dict[str, Any]:
        """
        Give the peer id in bytes.
        """
        return {"peer": self._node.peerID.toBytes().hex()}

    async def reserve(self, relay: str) -> dict[str, Any]:
        """
        Listen at a relay, and wait for its answer.
        """
        await self._node.listenOn(f"{relay}/p2p-circuit")
        (holding,) = (
            each.port.holding
            for each in self._node.listeners
            if isinstance(each.port, CircuitPort)
        )
        while holding.problem is None and not holding.held:
            await deferLater(loop, 0.01)
        return {"held": holding.held, "problem": str(holding.problem)}

    async def release(self, relay: str) -> dict[str, Any]:
        """
        Listen at a relay no longer.
        """
        await self._node.stopListeningOn(f"{relay}/p2p-circuit")
        return {}

    async def addresses(self) -> dict[str, Any]:
        """
        Tell the addresses of the node.
        """
        return {"addresses": [str(each) for each in self._node.addresses]}

    async def stop(self) -> dict[str, Any]:
        """
        Stop the node, and tell what is left of it.
        """
        began = loop.seconds()
        await self._node.stopService()
        seconds = loop.seconds() - began
        return {
            **await self.state(),
            "seconds": seconds,
            "left": [str(each) for each in loop.getDelayedCalls()],
            "descriptors": openFiles(os.getpid()),
        }


def main() -> None:
    """
    Run until standard input ends.
    """
    parser = argparse.ArgumentParser()
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--psk")
    parser.add_argument("--memory", type=int, help="MiB for buffers")
    parser.add_argument("--peerstore")
    parser.add_argument("--quic", action="store_true", help="listen by QUIC too")
    parser.add_argument("--web", action="store_true", help="listen by WebTransport")
    parser.add_argument("--rtc", action="store_true", help="listen by WebRTC-direct")
    parser.add_argument("--backend", help="the backend of QUIC")
    parser.add_argument(
        "--tickets", action="store_true", help="resume sessions of QUIC"
    )
    parser.add_argument("--ws", action="store_true", help="listen by WebSocket")
    parser.add_argument(
        "--shared", action="store_true", help="listen by TCP and WebSocket on one port"
    )
    parser.add_argument("--relay", action="store_true", help="be a relay")
    parser.add_argument("--dht", action="store_true", help="be a server of a DHT")
    parser.add_argument("--point", action="store_true", help="a rendezvous point")
    parser.add_argument("--no-punching", action="store_true", help="punch no holes")
    parser.add_argument(
        "--pubsub", nargs="?", const="usual", choices=KINDS, help="join a topic"
    )
    parser.add_argument(
        "--product", action="store_true", help="tunnels, the door, files, pairing"
    )
    options = parser.parse_args()
    kinds = (
        ("", QUIC, WEB)
        if options.web
        else ("", QUIC)
        if options.quic
        else ("", RTC)
        if options.rtc
        else ("/ws",)
        if options.ws
        else ("", "/ws")
        if options.shared
        else ("",)
    )
    victim = Victim(
        options.host,
        options.psk,
        options.memory,
        options.peerstore,
        kinds,
        options.backend,
        options.tickets,
        options.relay,
        options.dht,
        options.point,
        not options.no_punching,
        options.pubsub,
        options.product,
    )
    commands: list[Callable[..., Any]] = [
        victim.state,
        victim.dial,
        victim.proxied,
        victim.certified,
        victim.reach,
        victim.crowd,
        victim.chosen,
        victim.part,
        victim.gate,
        victim.protect,
        victim.known,
        victim.announce,
        victim.verdict,
        victim.identity,
        victim.reserve,
        victim.release,
        victim.addresses,
        victim.stop,
        *victim.finding.commands,
        *victim.topics.commands,
        *(victim.product.commands if victim.product is not None else ()),
    ]
    run(victim.start, **{each.__name__: each for each in commands})


if __name__ == "__main__":
    main()

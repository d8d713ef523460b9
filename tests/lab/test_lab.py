# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of the laboratory by plain sockets: who reaches whom.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from socket import IPPROTO_ICMP
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.error import ConnectError
from twisted.internet.protocol import (
    ClientFactory,
    DatagramProtocol,
    Factory,
    Protocol,
    connectionDone,
)
from twisted.internet.tcp import makeBinding
from twisted.python.failure import Failure

from tests.lab.case import LabTestCase
from tests.lab.lab import Router
from tests.lab.nat import NAT, Filtering, Mapping
from tests.lab.reactor import ReactorIn
from tests.lab.space import Space
from tests.lab.wire import Link

#: The port of every host.
PORT = 4001


class End(Protocol):
    """
    One end of a connection.

    @ivar made: fires with this end when it is connected.
    """

    transport: Any

    def __init__(self, made: Deferred[End]) -> None:
        self.made = made
        self._lost: Deferred[None] = Deferred()

    def connectionMade(self) -> None:
        """
        Report the connection.
        """
        self.made.callback(self)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        Report the end.
        """
        self._lost.callback(None)

    def drop(self) -> Deferred[None]:
        """
        End the connection.

        @return: fires when it has ended.
        """
        if not self._lost.called:
            self.transport.abortConnection()
        return self._lost


class Dial(ClientFactory):
    """
    Connects once.

    @ivar done: fires with the connected end.
    """

    noisy = False

    def __init__(self) -> None:
        self.done: Deferred[End] = Deferred()

    def buildProtocol(self, addr: Any) -> End:
        """
        Make the end.
        """
        return End(self.done)

    def clientConnectionFailed(self, connector: Any, reason: Failure) -> None:
        """
        Report the failure.
        """
        self.done.errback(reason)


class Doors(Factory):
    """
    Accepts connections.

    @ivar seen: fires with the next one.
    """

    noisy = False

    def __init__(self) -> None:
        self.seen: Deferred[End] = Deferred()
        self.ends: list[End] = []

    def buildProtocol(self, addr: Any) -> End:
        """
        Make the end.
        """
        end, self.seen = End(self.seen), Deferred()
        self.ends.append(end)
        return end

    async def close(self) -> None:
        """
        End all connections.
        """
        for each in self.ends:
            await each.drop()


class Listener(DatagramProtocol):
    """
    Receives a datagram.

    @ivar heard: fires with the address of its sender.
    """

    def __init__(self) -> None:
        self.heard: Deferred[Any] = Deferred()

    def datagramReceived(self, datagram: bytes, addr: Any) -> None:
        """
        Report the first one.
        """
        if not self.heard.called:
            self.heard.callback(addr)


class LabTests(LabTestCase):
    """
    The translation and the filters of routers are those that their names promise.
    """

    def listen(self, space: Space, host: str) -> Doors:
        """
        Listen on a port that may be dialed from too.
        """
        doors = Doors()
        port = ReactorIn(reactor, space).listenTCP(
            makeBinding(host, PORT, reuseAddress=True, reusePort=True),
            doors,
            interface=host,
        )
        self.addCleanup(doors.close)
        self.addCleanup(port.stopListening)
        return doors

    async def dial(
        self,
        space: Space,
        host: str,
        port: int,
        source: str | None = None,
        *,
        common: bool = True,
        seconds: float = 30,
    ) -> None:
        """
        Connect.

        @param source: the address to dial from.
        @param common: whether to dial from the common port of that address.
        @param seconds: how long to try.
        """
        dial = Dial()
        binding: Any = None
        if source is not None:
            binding = makeBinding(source, PORT if common else 0, True, True)
        ReactorIn(reactor, space).connectTCP(
            host, port, dial, timeout=seconds, bindAddress=binding
        )
        end = await dial.done
        self.addCleanup(end.drop)

    async def refused(self, *dial: Any, **options: Any) -> None:
        """
        Try for a moment to connect, without success.
        """
        dialing = Deferred.fromCoroutine(self.dial(*dial, **options, seconds=0.5))
        await self.assertFailure(dialing, ConnectError)

    async def seen(
        self, doors: Doors, space: Space, host: str, source: str | None
    ) -> Any:
        """
        Connect to a site.

        @return: the address that it sees.
        """
        seen = doors.seen
        await self.dial(space, host, PORT, source)
        return (await seen).transport.getPeer()

    async def check(
        self, number: int, nat: NAT, same: bool, kept: bool, friends: Sequence[str]
    ) -> None:
        """
        Check a kind of router.

        @param same: whether two destinations see the same port.
        @param kept: whether that is the port of the socket.
        @param friends: the addresses of the site that get in.
        """
        lan = f"10.{number}.0"
        router = self.lab.router(f"home{number}", f"45.45.{number}.1", lan, nat)
        host = self.lab.host(router)
        source = f"{lan}.2"
        self.listen(host, source)
        first = await self.seen(self.one, host, "45.45.0.10", source)
        second = await self.seen(self.other, host, "45.46.0.10", source)
        self.assertEqual(first.host, router.wan)
        self.assertEqual(first.port == second.port, same)
        self.assertEqual(first.port == PORT, kept)
        # Another port of an address that was spoken to, and a stranger.
        for each in ("45.45.0.10", "45.47.0.10"):
            dial = self.dial if each in friends else self.refused
            await dial(self.site, first.host, first.port, each, common=False)

    async def test_routers(self) -> None:
        """
        Each mapping shows the port, and each filter lets in the strangers, that its
        name promises.
        """
        addresses = ("45.45.0.10", "45.46.0.10", "45.47.0.10")
        self.site = self.lab.site("site", *addresses)
        self.one = self.listen(self.site, "45.45.0.10")
        self.other = self.listen(self.site, "45.46.0.10")
        friends: dict[Filtering, Sequence[str]] = {
            Filtering.PORT: (),
            Filtering.ADDRESS: ("45.45.0.10",),
            Filtering.NONE: ("45.45.0.10", "45.47.0.10"),
        }
        for number, (mapping, filtering) in enumerate(product(Mapping, Filtering)):
            await self.check(
                number + 1,
                NAT(mapping, filtering, resets=bool(number % 2)),
                mapping is not Mapping.SYMMETRIC,
                mapping is Mapping.INDEPENDENT,
                friends[filtering],
            )

    async def test_datagrams(self) -> None:
        """
        An open router lets datagrams of strangers in, at the port that others see.
        """
        site = self.lab.site("site", "45.45.0.10", "45.46.0.10")
        nat = NAT(Mapping.TRANSLATING, Filtering.NONE)
        router = self.lab.router("home", "45.45.1.1", "10.1.0", nat)
        host = self.lab.host(router)
        near, far, stranger = Listener(), Listener(), Listener()
        for space, address, listener in (
            (host, "10.1.0.2", near),
            (site, "45.45.0.10", far),
            (site, "45.46.0.10", stranger),
        ):
            port = ReactorIn(reactor, space).listenUDP(PORT, listener, address)
            self.addCleanup(port.stopListening)
        assert near.transport is not None and stranger.transport is not None
        near.transport.write(b"hello", ("45.45.0.10", PORT))
        seen = await far.heard
        stranger.transport.write(b"who is there", seen)
        self.assertEqual(await near.heard, ("45.46.0.10", PORT))

    async def test_early(self) -> None:
        """
        A datagram that comes too early is answered by an error, and the router keeps
        nothing of it: the host behind has the same port as without it.
        """
        site = self.lab.site("site", "45.45.0.10")
        router = self.lab.router("home", "45.45.1.1", "10.1.0", NAT(resets=True))
        near, far = Listener(), Listener()
        for space, address, listener in (
            (self.lab.host(router), "10.1.0.2", near),
            (site, "45.45.0.10", far),
        ):
            port = ReactorIn(reactor, space).listenUDP(PORT, listener, address)
            self.addCleanup(port.stopListening)
        refused: Deferred[None] = Deferred()

        def tap(packet: bytes) -> None:
            if packet[9] == IPPROTO_ICMP and not refused.called:
                refused.callback(None)

        self.lab.wire.tap = tap
        assert near.transport is not None and far.transport is not None
        far.transport.write(b"who is there", ("45.45.1.1", PORT))
        await refused
        near.transport.write(b"hello", ("45.45.0.10", PORT))
        self.assertEqual(await far.heard, ("45.45.1.1", PORT))

    async def test_twoLayers(self) -> None:
        """
        A router behind a router: the address of the outer one is seen.
        """
        site = self.lab.site("site", "45.45.0.10")
        outer = self.lab.router("carrier", "45.45.1.1", "100.64.0")
        inner = self.lab.router("home", "100.64.0.2", "10.1.0", outer=outer)
        host = self.lab.host(inner)
        doors = self.listen(site, "45.45.0.10")
        seen = await self.seen(doors, host, "45.45.0.10", "10.1.0.2")
        self.assertEqual(seen.host, "45.45.1.1")

    async def test_forwarded(self) -> None:
        """
        A forwarded port is reached from outside, until the router forgets.
        """
        site = self.lab.site("site", "45.45.0.10")
        nat = NAT(forwards=(("tcp", PORT, "10.1.0.2"),), resets=True)
        router = self.lab.router("home", "45.45.1.1", "10.1.0", nat)
        host = self.lab.host(router)
        doors = self.listen(host, "10.1.0.2")
        seen = await self.seen(doors, site, "45.45.1.1", None)
        self.assertEqual(seen.host, "45.45.0.10")
        router.become(NAT(resets=True))
        await self.refused(site, "45.45.1.1", PORT)

    async def test_firewall(self) -> None:
        """
        An address of IPv6 is seen as it is, and its firewall lets nobody in.
        """
        site = self.lab.site("site", "45.45.0.10", "2a01:9::10")
        router = self.lab.router("home", "45.45.1.1", "10.1.0", prefix="2a01:1::")
        host = self.lab.host(router)
        self.listen(host, "2a01:1::2")
        doors = self.listen(site, "2a01:9::10")
        seen = await self.seen(doors, host, "2a01:9::10", "2a01:1::2")
        self.assertEqual((seen.host, seen.port), ("2a01:1::2", PORT))
        await self.refused(site, "2a01:1::2", PORT)

    async def punch(self, *routers: Router) -> None:
        """
        Connect the hosts behind two routers by dials at the same time.
        """
        site = self.lab.site("site", "45.45.0.10", link=Link(0.01))
        doors = self.listen(site, "45.45.0.10")
        ends = []
        for router in routers:
            host, source = self.lab.host(router), f"{router.lan}.2"
            self.listen(host, source)
            seen = await self.seen(doors, host, "45.45.0.10", source)
            ends.append((host, source, seen))
        (one, here, near), (other, there, far) = ends
        await gatherResults(
            [
                Deferred.fromCoroutine(self.dial(one, far.host, far.port, here)),
                Deferred.fromCoroutine(self.dial(other, near.host, near.port, there)),
            ],
            consumeErrors=True,
        )

    def routers(self, nat: NAT, link: Link) -> tuple[Router, Router]:
        """
        Make two routers of a kind.
        """
        return (
            self.lab.router("A", "45.45.1.1", "10.1.0", nat, link=link),
            self.lab.router("B", "45.45.2.1", "10.2.0", nat, link=link),
        )

    async def test_simultaneousOpen(self) -> None:
        """
        Two dials at the same time meet on the wire, and both connect.
        """
        nat = NAT(Mapping.TRANSLATING)
        await self.punch(*self.routers(nat, Link(0.02, 0.01)))
        self.assertGreater(self.lab.wire.carried, 0)

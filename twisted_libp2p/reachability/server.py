# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The server of AutoNAT: dials peers back that ask whether they are reachable.

It must not be of use against others.  It dials public addresses alone, one for a
request, and an address on another host than the client's only after the client has
sent more than the dial costs.  For that reason, the outcome of such a dial is of no use
to a port scanner either.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from random import random
from typing import Final, NamedTuple

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import deferLater

from twisted_libp2p.address import Multiaddr, Origin, Scope
from twisted_libp2p.address.places import endOf, networkOf
from twisted_libp2p.connection.building import StreamFactory
from twisted_libp2p.connection.connection import isRelayed
from twisted_libp2p.errors import AddressRefused, ProtocolViolation
from twisted_libp2p.interfaces import IConnection, IHost, IRegistration
from twisted_libp2p.logger import Logger
from twisted_libp2p.pacing import Deadlines, addTimeout
from twisted_libp2p.protocols.exchange import Exchange
from twisted_libp2p.reachability.answering import AnsweringStream
from twisted_libp2p.reachability.book import AnswerBook, Rate
from twisted_libp2p.reachability.dialback import DialingBack
from twisted_libp2p.reachability.messages import (
    AUTONAT,
    DIAL_BACK,
    DIAL_REQUEST,
    MAX_MESSAGE,
    Answer1,
    DialRequest,
    DialResponse,
    DialStatus,
    Request1,
    Status,
    Status1,
)

__all__ = ["AutoNATServer"]

#: Seconds of a client for its request and its data, of a dial, and of the client for
#: its answer to the number; as in go-libp2p.
REQUEST_TIME: Final = 15.0
DIAL_TIME: Final = 10.0
NONCE_TIME: Final = 5.0

#: The data that is demanded before another host is dialed, in bytes: at least, and at
#: most.
MIN_DATA: Final = 30_000
MAX_DATA: Final = 100_000

#: The longest wait before another host is dialed, in seconds: a crowd of clients
#: cannot choose the moment.
MAX_WAIT: Final = 3.0

#: Requests of version 2 that are answered at once in a minute: in all, of a peer, of a
#: network, and with data.
RATE: Final = 60
PEER_RATE: Final = 12
NETWORK_RATE: Final = 12
DATA_RATE: Final = 12

#: Requests that are under way: in all, and of one peer.
MAX_AT_ONCE: Final = 32
MAX_OF_PEER: Final = 2

#: Requests of version 1 that are answered in a minute: in all, and of a peer.
RATE_1: Final = 30
PEER_RATE_1: Final = 3

#: Number of addresses in a request of version 1 that are dialed.
MAX_DIALS_1: Final = 8

_MINUTE: Final = 60.0


class Answered(NamedTuple):
    """
    The kind of an answer.

    @ivar version: the version of AutoNAT.
    @ivar status: the status, in lower case.
    @ivar dial: the outcome of the dial, in lower case.
    @ivar place: the version of IP and the transport of the dialed address; None if no
        address was dialed.
    @ivar paid: whether the client had to send data before.
    """

    version: str
    status: str
    dial: str = "unused"
    place: tuple[str, str] | None = None
    paid: bool = False


class AutoNATServer:
    """
    Answers the requests of peers, in both versions of AutoNAT.

    @ivar answers: the number of answers, by their kind.
    """

    _log = Logger()

    def __init__(self, host: IHost, random: Callable[[], float] = random) -> None:
        """
        Prepare to serve.

        @param host: the node that dials.
        @param random: returns numbers from 0 to 1.
        """
        self._host = host
        self._random = random
        self._deadlines = Deadlines(host.clock, REQUEST_TIME)
        self._answering = Deadlines(host.clock, NONCE_TIME)
        self._book = AnswerBook(
            total=(RATE, _MINUTE / RATE),
            peer=(PEER_RATE, _MINUTE / PEER_RATE),
            network=(NETWORK_RATE, _MINUTE / NETWORK_RATE),
            atOnce=MAX_AT_ONCE,
            atOnceOfPeer=MAX_OF_PEER,
        )
        self._book1 = AnswerBook(
            total=(RATE_1, _MINUTE / RATE_1),
            peer=(PEER_RATE_1, _MINUTE / PEER_RATE_1),
            network=(NETWORK_RATE, _MINUTE / NETWORK_RATE),
            atOnce=MAX_AT_ONCE,
            atOnceOfPeer=1,
        )
        self._data = Rate(DATA_RATE, _MINUTE / DATA_RATE)
        self._registrations: list[IRegistration] = []
        self.answers: Counter[Answered] = Counter()

    @property
    def serving(self) -> bool:
        """
        Whether peers may ask.
        """
        return bool(self._registrations)

    def open(self) -> None:
        """
        Serve.
        """
        if self._registrations:
            return
        registry = self._host.registry
        streams = StreamFactory(
            lambda: AnsweringStream(
                self._deadlines, self._begin, self._asked, self._over
            )
        )
        exchange = Exchange(
            AUTONAT, self._host.clock, timeout=REQUEST_TIME, maximum=MAX_MESSAGE
        )
        self._registrations = [
            registry.register(DIAL_REQUEST, streams),
            exchange.serve(registry, self._answer1),
        ]

    def close(self) -> None:
        """
        Serve no longer.
        """
        registrations, self._registrations = self._registrations, []
        for each in registrations:
            each.cancel()

    def stop(self) -> None:
        """
        Serve no longer, and stop the timers.
        """
        self.close()
        self._deadlines.stop()
        self._answering.stop()

    # Version 2

    def _begin(self, stream: AnsweringStream) -> bool:
        """
        Decide whether the request on a stream is read.
        """
        connection: IConnection = stream.transport.connection
        network = networkOf(connection.remoteAddress)
        now = self._host.clock.seconds()
        if (
            isRelayed(connection.remoteAddress)
            or network is None
            or not self._book.begin(connection.remotePeer, network, now)
        ):
            self._answer(stream, DialResponse(Status.REQUEST_REJECTED))
            return False
        return True

    def _over(self, stream: AnsweringStream) -> None:
        self._book.end(stream.transport.connection.remotePeer)

    def _asked(self, stream: AnsweringStream, request: DialRequest) -> Deferred[None]:
        return Deferred.fromCoroutine(self._serve(stream, request))

    def _answer(
        self,
        stream: AnsweringStream,
        response: DialResponse,
        address: Multiaddr | None = None,
        paid: bool = False,
    ) -> None:
        """
        Answer a request of version 2.

        @param address: the address that was dialed.
        @param paid: whether the client had to send data before.
        """
        status = Status(response.status).name.lower()
        dial = DialStatus(response.dialStatus).name.lower()
        place = None if address is None else (address.first, address.names[-1])
        self.answers[Answered("2", status, dial, place, paid)] += 1
        stream.answer(response)

    async def _serve(self, stream: AnsweringStream, request: DialRequest) -> None:
        """
        Dial the client back.
        """
        try:
            response, address, paid = await self._dial(stream, request)
        except CancelledError:
            raise
        except Exception:
            self._log.failure("a request of AutoNAT has no answer")
            response, address, paid = DialResponse(Status.INTERNAL_ERROR), None, False
        self._answer(stream, response, address, paid)

    async def _dial(
        self, stream: AnsweringStream, request: DialRequest
    ) -> tuple[DialResponse, Multiaddr | None, bool]:
        """
        Dial the first address that may be dialed.

        @return: the answer, the dialed address, and whether the client had to send data
            before.
        """
        connection: IConnection = stream.transport.connection
        index, address = self._choose(request, connection)
        if address is None:
            return DialResponse(Status.DIAL_REFUSED), None, False
        remote = connection.remoteAddress
        paid = remote is None or address.host != remote.host
        if paid:
            if not self._data.take(None, self._host.clock.seconds()):
                return DialResponse(Status.REQUEST_REJECTED), None, False
            size = MIN_DATA + int(self._random() * (MAX_DATA - MIN_DATA))
            await stream.demand(index, size)
            await deferLater(self._host.clock, self._random() * MAX_WAIT)
        outcome = await self._reach(connection, address, request.nonce)
        return DialResponse(Status.OK, index, outcome), address, paid

    def _choose(
        self, request: DialRequest, connection: IConnection
    ) -> tuple[int, Multiaddr | None]:
        """
        Choose the address that is dialed: the first that may be.
        """
        peer = connection.remotePeer
        for index, stated in enumerate(request.addresses):
            if stated is None or stated.peerID not in (None, peer):
                continue
            address = stated.withoutPeer()
            if self._isDialable(address):
                return index, address
        return 0, None

    def _isDialable(self, address: Multiaddr) -> bool:
        """
        Check whether an address is a public IP address with a port, and not ours.
        """
        if endOf(address) is None or isRelayed(address):
            return False
        if Scope.of(address) is not Scope.PUBLIC:
            return False
        try:
            self._host.addressFilter.check(Origin.PUBLIC, address)
        except AddressRefused:
            return False
        return self._host.dialsBack(address)

    async def _reach(
        self, connection: IConnection, address: Multiaddr, nonce: int
    ) -> DialStatus:
        """
        Dial an address, and send the number there.
        """
        peer = connection.remotePeer
        try:
            found = await self._dialBack(connection, address)
        except CancelledError:
            raise
        except Exception as error:
            self._log.debug("{peer} is not reached: {error}", peer=peer, error=error)
            return DialStatus.DIAL_ERROR
        try:
            sending = DialingBack(self._answering, nonce)
            opening = found.openStream(DIAL_BACK, StreamFactory(lambda: sending))
            opening.addErrback(sending.failed)
            await addTimeout(sending.result, 2 * NONCE_TIME, self._host.clock)
        except CancelledError:
            raise
        except Exception as error:
            self._log.debug("no answer of {peer}: {error}", peer=peer, error=error)
            return DialStatus.DIAL_BACK_ERROR
        finally:
            found.close()
        return DialStatus.OK

    async def _dialBack(
        self, connection: IConnection, address: Multiaddr
    ) -> IConnection:
        """
        Dial an address of the peer of a connection, as a stranger.

        @raise Exception: it is not reached.
        """
        host = self._host
        host.addressFilter.dialing(Origin.PUBLIC, address)
        dialing = host.dialBack(connection.remotePeer, address)
        found: IConnection = await addTimeout(dialing, DIAL_TIME, host.clock)
        return found

    # Version 1

    async def _answer1(self, connection: IConnection, request: bytes) -> bytes:
        """
        Answer a request of version 1.
        """
        answer = await self._serve1(connection, request)
        status = Status1(answer.status).name.lower()
        self.answers[Answered("1", status)] += 1
        return answer.toBytes()

    async def _serve1(self, connection: IConnection, data: bytes) -> Answer1:
        remote, peer = connection.remoteAddress, connection.remotePeer
        network = networkOf(remote)
        now = self._host.clock.seconds()
        if remote is None or isRelayed(remote) or Scope.of(remote) is not Scope.PUBLIC:
            return Answer1(Status1.DIAL_REFUSED, text="not a public address")
        if not self._book1.begin(peer, network, now):
            return Answer1(Status1.DIAL_REFUSED, text="too many requests")
        try:
            request = Request1.fromBytes(data)
            if request.peer != peer:
                return Answer1(Status1.BAD_REQUEST, text="the id of another peer")
            addresses = self._onHost(request, remote)
            if not addresses:
                return Answer1(Status1.DIAL_REFUSED, text="no address to dial")
            return await self._first(connection, addresses, now)
        except ProtocolViolation:
            return Answer1(Status1.BAD_REQUEST, text="malformed")
        finally:
            self._book1.end(peer)

    def _onHost(self, request: Request1, remote: Multiaddr) -> list[Multiaddr]:
        """
        Return the addresses of a request, each on the host from which it came: the
        client may only ask for itself.
        """
        host, *_ = remote
        found: dict[Multiaddr, None] = {}
        for each in request.addresses:
            bare = each.withoutPeer()
            if endOf(bare) is None or next(iter(bare)).name != host.name:
                continue
            address = Multiaddr(f"/{host.name}/{host.value}").encapsulate(
                bare.withoutFirst()
            )
            if self._isDialable(address):
                found[address] = None
        return list(found)[:MAX_DIALS_1]

    async def _first(
        self, connection: IConnection, addresses: list[Multiaddr], begun: float
    ) -> Answer1:
        """
        Dial some addresses, one after the other.

        A failure is reported after a fixed time, so that it shows nothing of a port.
        """
        clock = self._host.clock
        for address in addresses:
            if clock.seconds() - begun >= REQUEST_TIME:
                break
            try:
                found = await self._dialBack(connection, address)
            except CancelledError:
                raise
            except Exception as error:
                self._log.debug("not reached: {error}", error=error)
            else:
                found.close()
                return Answer1(Status1.OK, address)
        await deferLater(clock, max(0.0, begun + REQUEST_TIME - clock.seconds()))
        return Answer1(Status1.DIAL_ERROR, text="dial failed")

# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
One UDP socket and all its QUIC connections, dialed and accepted.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.interfaces import IAddress, IDelayedCall, IReactorTime
from twisted.python.failure import Failure

from twisted_libp2p.errors import HandshakeFailed
from twisted_libp2p.identity import PeerID
from twisted_libp2p.interfaces import (
    Handshake,
    IQuicBackend,
    IUpgrade,
    Knock,
    QuicSettings,
    ReceivedDatagram,
    Secured,
    SentDatagram,
)
from twisted_libp2p.logger import Logger
from twisted_libp2p.quic.begin import (
    PROVEN_INSIDE,
    BeginWeb,
    IProvenInside,
    WebDial,
)
from twisted_libp2p.quic.endings import LAYER, SECURITY
from twisted_libp2p.quic.halfopen import Answer, HalfOpen
from twisted_libp2p.quic.judge import CertificateJudge
from twisted_libp2p.quic.line import QuicLine
from twisted_libp2p.quic.memory import PeerMemory
from twisted_libp2p.quic.session import QuicSession

__all__ = ["KNOCKS", "PUNCH_SIZE", "Accept", "DatagramPort", "QuicHub"]

#: Returns the upgrade of a connection that a peer begins; None to refuse the peer.
Accept = Callable[[IAddress | None], IUpgrade | None]

#: The most peers that are let in, or not, in one turn of the reactor.
KNOCKS = 4

#: The bytes of a packet without meaning, as in go-libp2p and rust-libp2p.
PUNCH_SIZE = 64

#: The backend does not say which of these it was.
_BROKEN = "the first packet is broken, or offers no application protocol of libp2p"

_log = Logger()


class DatagramPort(Protocol):
    """
    The socket, as a hub uses it.
    """

    def send(self, datagram: SentDatagram) -> None: ...

    def getHost(self) -> Any: ...

    def addressTo(self, host: str, port: int) -> Any: ...

    def stopListening(self) -> Any: ...


class QuicHub:
    """
    One socket.

    @ivar clock: runs the timers.
    @ivar now: returns the seconds of the clock of the backend.
    @ivar settings: the settings of the backend.
    @ivar judge: judges certificates.
    @ivar accept: returns the upgrade of each new connection; None while nobody listens.
    @ivar acceptWeb: the same for connections of browsers.
    @ivar beginWeb: begins the handshake inside a connection of a browser; None before
        the first listener for them.
    @ivar layer: the name of the transport in errors.
    @ivar lines: the connections, by their handles.
    @ivar punches: the watchers of packets without meaning (hole punching), each with
        the IP address that it watches.
    @ivar port: the socket; set by whoever has bound it.
    """

    port: DatagramPort

    def __init__(
        self,
        clock: IReactorTime,
        now: Callable[[], float],
        backend: IQuicBackend,
        settings: QuicSettings,
        judge: CertificateJudge,
        memory: PeerMemory,
        closed: Callable[[QuicHub], None],
        layer: str = LAYER,
    ) -> None:
        """
        @param memory: what is known of peers from earlier connections.
        @param closed: called when nobody uses the socket any longer.
        """
        self.clock = clock
        self.now = now
        self.settings = settings
        self.judge = judge
        self.memory = memory
        self.layer = layer
        self.accept: Accept | None = None
        self.acceptWeb: Accept | None = None
        self.beginWeb: BeginWeb | None = None
        self.lines: dict[int, QuicLine] = {}
        self.punches: list[tuple[str, Callable[[int], object]]] = []
        self.halfOpen = HalfOpen()
        # The connections that have not ended.
        self._living = 0
        self._endpoint = backend.endpoint(settings)
        self._closed = closed
        self._dirty: dict[QuicLine, None] = {}
        # Accepted lines that count as half open.
        self._counted: set[QuicLine] = set()
        self._knocks: deque[tuple[int, str, int, bool, bool]] = deque()
        self._call: IDelayedCall | None = None
        self._stopped = False

    # The socket's side

    def received(self, datagrams: Sequence[ReceivedDatagram]) -> None:
        """
        Take received datagrams.
        """
        if not datagrams or self._stopped:
            return
        if self.punches:
            self._findPunches(datagrams)
        handles, knocks, answers = self._endpoint.receive(self.now(), datagrams)
        for each in answers:
            self.send(each)
        lines = self.lines
        for handle in handles:
            line = lines.get(handle)
            if line is not None:
                line.arrived()
                self._dirty[line] = None
        self._knocks += knocks
        if self._knocks:
            self._decide()
        self._driveAll()

    def _findPunches(self, datagrams: Sequence[ReceivedDatagram]) -> None:
        """
        Report the ports from which packets without meaning come.
        """
        for each in datagrams:
            if (each.segment or len(each.data)) == PUNCH_SIZE:
                for host, sighted in list(self.punches):
                    if host == each.host:
                        sighted(each.port)

    def unreachable(self, host: str, port: int) -> None:
        """
        Give up the dials of an address at which nobody receives.
        """
        for line in list(self.lines.values()):
            if (line.host, line.port) == (host, port):
                line.refused()

    def send(self, datagram: SentDatagram) -> None:
        """
        Send datagrams.
        """
        if not self._stopped:
            self.port.send(datagram)

    # Knocks

    def _decide(self) -> None:
        """
        Decide about the first of the peers that want to connect: a handshake takes
        milliseconds, so a crowd must not hold up the reactor.
        """
        for _ in range(min(len(self._knocks), KNOCKS)):
            self._knocked(Knock(*self._knocks.popleft()))
        if self._knocks and self._call is None and not self._stopped:
            self._call = self.clock.callLater(0, self._turn)

    def _knocked(self, knock: Knock) -> None:
        """
        Decide about a peer that wants to connect.
        """
        number, host, port, validated, retryable = knock
        endpoint = self._endpoint
        answer = Answer.IGNORE
        accept = self.accept or self.acceptWeb
        if accept is not None:
            answer = self.halfOpen.answer(host, validated, retryable)
        if answer is Answer.IGNORE:
            endpoint.ignore(number)
            return
        if answer is Answer.RETRY:
            self._sendAll(endpoint.retry(number))
            return
        upgrade = None
        if answer is Answer.ACCEPT and accept is not None:
            upgrade = accept(self.peerAddress(host, port))
        if upgrade is None:
            self._sendAll(endpoint.refuse(number))
            return
        handle, answers = endpoint.accept(self.now(), number)
        self._sendAll(answers)
        if handle is None:
            upgrade.fail(Failure(HandshakeFailed(self.layer, _BROKEN)))
            return
        self._began(QuicLine(self, endpoint, handle, upgrade, False, host, port))

    def serveWeb(self, certificate: bytes, key: bytes) -> None:
        """
        Accept browsers, with this certificate from now on.
        """
        self._endpoint.serveWeb(certificate, key)

    def _sendAll(self, datagrams: Sequence[SentDatagram]) -> None:
        for each in datagrams:
            self.send(each)

    # Dialing

    def dial(
        self,
        host: str,
        port: int,
        upgrade: IUpgrade,
        expectedTrip: float | None = None,
        web: WebDial | None = None,
    ) -> None:
        """
        Begin to connect.

        @param expectedTrip: seconds to the peer and back, as long as no connection has
            measured them; None if they are not known.
        @param web: how to go on with a handshake inside; None over plain QUIC.
        @raise ValueError: the address is invalid.
        """
        expected = upgrade.handshake.expected
        data = None if expected is None else expected.toBytes()
        if web is not None:
            data = web.pins
        token, roundTrip = self.memory.recall(expected, expectedTrip)
        handle = self._endpoint.connect(
            self.now(), host, port, data, "libp2p", token, roundTrip
        )
        line = QuicLine(self, self._endpoint, handle, upgrade, True, host, port, web)
        self._began(line)

    def _began(self, line: QuicLine) -> None:
        self.lines[line.handle] = line
        self._living += 1
        if not line.dialed:
            self._counted.add(line)
            self.halfOpen.began(line.host)
        line.begin()
        line.touch()

    # Lines

    def settled(self, line: QuicLine) -> None:
        """
        Count a line as half open no longer: its handshake has succeeded, or it is over.
        A failed handshake has state until then.
        """
        if line in self._counted:
            self._counted.remove(line)
            self.halfOpen.ended(line.host)

    def touch(self, line: QuicLine) -> None:
        """
        Poll a line in this turn of the reactor.
        """
        self._dirty[line] = None
        if self._call is None and not self._stopped:
            self._call = self.clock.callLater(0, self._turn)

    def _turn(self) -> None:
        self._call = None
        self._decide()
        self._driveAll()

    def _driveAll(self) -> None:
        """
        Poll the lines that have something to do, each once.
        """
        dirty, self._dirty = self._dirty, {}
        for line in dirty:
            line.drive()
        if not self._living:
            self._closeIfUnused()

    def forget(self, line: QuicLine) -> None:
        """
        Forget a connection that is over.
        """
        if self.lines.pop(line.handle, None) is not None:
            self.settled(line)
            try:
                self._endpoint.forget(line.handle)
            except KeyError:
                _log.failure("the backend does not know a connection")
            self._dirty.pop(line, None)

    def prove(
        self, line: QuicLine, handshake: Handshake, web: IProvenInside | None
    ) -> Secured:
        """
        Return who the peer of a line is.

        @param web: the handshake inside; None without one.
        @raise HandshakeFailed: it has not proven that, or is another one; or nobody
            listens for peers of its kind.
        """
        if web is not None and web.secured is not None:
            return web.secured
        certificate = line.endpoint.certificate(line.handle)
        if certificate is None:
            raise HandshakeFailed(SECURITY, "the peer has no certificate")
        if not line.dialed and self.accept is None and self.acceptWeb is not None:
            raise HandshakeFailed(SECURITY, "only browsers are served here")
        if line.endpoint.alpn(line.handle) in PROVEN_INSIDE:
            raise HandshakeFailed(SECURITY, "browsers are no longer served here")
        # Not only in the handshake: a resumed session has none.
        key = self.judge.key(certificate)
        peer = PeerID.fromKey(key)
        handshake.meet(SECURITY, peer)
        return Secured(SECURITY, peer, key)

    def makeSession(self, line: QuicLine, web: IProvenInside | None) -> QuicSession:
        """
        Make the session of a line, whose peer has proven its identity.
        """
        host = self.addressTo(line.host, line.port)
        address = self.peerAddress(line.host, line.port)
        if web is not None:
            host, address = web.named(host), web.named(address)
        return QuicSession(self.clock, line, host, address)

    # The end

    def stopAccepting(self) -> None:
        """
        Let no further peer connect; the connections go on.
        """
        self.accept = None
        self._closeIfUnused()

    def stopAcceptingWeb(self) -> None:
        """
        Let no further browser connect.
        """
        self.acceptWeb = None
        self._closeIfUnused()

    @property
    def listening(self) -> bool:
        """
        Whether anybody may connect.
        """
        return self.accept is not None or self.acceptWeb is not None

    @property
    def unused(self) -> bool:
        """
        Whether nobody listens, and every connection has ended.
        """
        return not (self.listening or self._living)

    def lineLost(self) -> None:
        """
        Note that a connection has ended, once: the socket may have no further use.
        """
        self._living -= 1
        if self._call is None and not self._stopped and self.unused:
            self._call = self.clock.callLater(0, self._turn)

    def _closeIfUnused(self) -> None:
        """
        Close the socket if nobody needs it.  Connections that are being closed answer
        stray packets for a while; they do not keep the socket.
        """
        if self._stopped or not self.unused or self._dirty:
            return
        self._stopped = True
        if self._call is not None:
            self._call.cancel()
            self._call = None
        for line in list(self.lines.values()):
            line.stop()
        self.lines.clear()
        self._closed(self)
        self.port.stopListening()

    # Addresses

    def addressTo(self, host: str, port: int) -> IAddress:
        """
        Return the address of our end of a connection.
        """
        found: IAddress = self.port.addressTo(host, port)
        return found

    @staticmethod
    def peerAddress(host: str, port: int) -> IAddress:
        """
        Return the address of a peer.
        """
        family = IPv6Address if ":" in host else IPv4Address
        address: IAddress = family("UDP", host, port)
        return address

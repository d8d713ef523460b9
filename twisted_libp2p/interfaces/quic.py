# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Backends of QUIC: machines without sockets and timers, between the datagrams of a port
and the streams of its connections.

An endpoint is one such machine.  It serves one UDP socket, and any number of
connections, dialed and accepted.  Its user has the socket, the clock and the timers:

  - received datagrams go into L{IQuicEndpoint.receive}, which returns the numbers
    (I{handles}) of the connections that they concern, the I{knocks} of peers that want
    to connect, and datagrams to send at once;
  - L{IQuicEndpoint.poll} is the only call that advances a connection.  The user polls
    after its other calls on a connection, after received datagrams, and when the time
    C{due} has come.  It returns datagrams to send, and events;
  - after C{LOST} the user polls on until C{over}, and then calls
    L{IQuicEndpoint.forget}.

Where this page names a named tuple, a plain tuple of the same items will do: users
unpack it.  Times are seconds of one monotonic clock, whose beginning does not matter.
No call blocks, starts a thread, or calls the user, with one exception: the C{judge} of
the settings is called within C{receive} and C{poll}, and must not call the endpoint.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

from zope.interface import Attribute, Interface

__all__ = [
    "FIN",
    "IQuicBackend",
    "IQuicConnections",
    "IQuicEndpoint",
    "Knock",
    "LossCause",
    "QuicEvent",
    "QuicSettings",
    "QuicStats",
    "ReceivedDatagram",
    "SentDatagram",
    "windowOf",
]

#: The end of a stream, as C{read} returns it: all bytes have been read.  A reset has
#: its code instead, which is not negative.
FIN = -1

#: The window of a stream that is read, in windows of one that is not.
GROWTH = 8


def windowOf(initial: int, taken: int) -> int:
    """
    Return the bytes that a peer may send on a stream before they are read.

    The window of a stream is small until three quarters of it have been read, and large
    from then on: a transfer is not bound to one small window for each round trip, and a
    stream that nobody reads never has a large one.

    @param initial: the C{streamWindow} of the settings.
    @param taken: how many bytes have been read.
    """
    return initial * GROWTH if 4 * taken >= 3 * initial else initial


class QuicEvent(IntEnum):
    """
    The first item of each event, which is a tuple; the others are its arguments.
    """

    #: C{()}: the handshake is complete on our side, and the judge has accepted the
    #: certificate.  The peer has proven its identity.
    CONNECTED = 1
    #: C{()}: the peer has confirmed the handshake, so it has accepted our certificate.
    #: Only a dialer learns of this, by HANDSHAKE_DONE; it follows C{CONNECTED}.
    CONFIRMED = 2
    #: C{(cause: LossCause, code: int, text: str)}: the connection has ended.  It is the
    #: last event.  Received bytes can still be read.
    LOST = 3
    #: C{(stream)}: the peer has opened a stream, of both directions.
    OPENED = 4
    #: C{(stream)}: there is something to C{read}: bytes or an end.  It comes again only
    #: after C{read} has returned less than the maximum, or None.
    READABLE = 5
    #: C{(stream)}: C{write} takes bytes again, after it has taken less than all.
    WRITABLE = 6
    #: C{(stream, code)}: the peer reads no longer (STOP_SENDING).  Our half is to be
    #: reset, with this code.
    STOPPED = 7
    #: C{()}: C{open} succeeds again, after it has returned None.
    AVAILABLE = 8
    #: C{(token: bytes)}: a token for the next dial of this peer (NEW_TOKEN), which
    #: saves a Retry.
    TOKEN = 9
    #: C{(stream)}: the peer has acknowledged our half of the stream, with its end.
    FINISHED = 11
    #: C{(stream, code)}: the peer has reset its half; unread bytes are dropped, and
    #: C{read} returns the code, once.
    RESET = 12
    #: C{(host: str, port: int)}: the peer has moved to this address, and has proven it.
    MOVED = 10


class LossCause(IntEnum):
    """
    The cause of the end of a connection.
    """

    #: The application of the peer has closed it, with its own code.
    APPLICATION = 1
    #: The peer, or our side, has found a violation of QUIC or TLS; the code is that of
    #: the transport.
    TRANSPORT = 2
    #: Our side has closed it.
    LOCAL = 3
    #: The peer has been silent for the idle time, or did not answer the handshake.
    TIMEOUT = 4
    #: The peer has no state of this connection (stateless reset).
    RESET = 5
    #: The peer speaks no version of ours.
    VERSION = 6


class ReceivedDatagram(NamedTuple):
    """
    One or several received datagrams.

    @ivar data: the bytes; with GRO several datagrams of one sender, of C{segment} bytes
        each, only the last of which may be shorter.
    @ivar host: the IP address of the sender, as text.
    @ivar port: the port of the sender.
    @ivar segment: the size of each datagram; 0 if there is one.
    @ivar ecn: the two ECN bits of the IP header.
    """

    data: bytes
    host: str
    port: int
    segment: int = 0
    ecn: int = 0


class SentDatagram(NamedTuple):
    """
    One or several datagrams to send.

    @ivar data: the bytes; several datagrams are of C{segment} bytes each, only the last
        of which may be shorter.
    @ivar host: the IP address of the receiver, as text.
    @ivar port: the port of the receiver.
    @ivar segment: the size of each datagram; 0 if there is one.
    @ivar ecn: the two ECN bits for the IP header.
    """

    data: bytes
    host: str
    port: int
    segment: int = 0
    ecn: int = 0


class Knock(NamedTuple):
    """
    A peer that wants to connect.  Nothing is stored for it but its first datagram,
    which is bounded, until it is accepted, retried, refused or ignored.

    @ivar number: the number for these four calls.
    @ivar host: the IP address of the peer, as text.
    @ivar port: its port.
    @ivar validated: whether the peer has proven that it receives at this address.
    @ivar retryable: whether it can be retried: a peer is at most once.
    """

    number: int
    host: str
    port: int
    validated: bool
    retryable: bool


class QuicStats(NamedTuple):
    """
    Facts of a connection.

    @ivar roundTrip: the smoothed round trip, in seconds.
    @ivar mtu: the bytes of the largest datagram.
    @ivar window: the congestion window, in bytes.
    @ivar lost: the number of lost packets.
    @ivar sent: the number of sent datagrams.
    @ivar received: the number of received datagrams.
    """

    roundTrip: float
    mtu: int
    window: int
    lost: int
    sent: int
    received: int


@dataclass(frozen=True, slots=True)
class QuicSettings:
    """
    The settings of an endpoint.

    @ivar certificate: our certificate, in DER; it is sent in both roles.
    @ivar privateKey: its key, as PKCS8 in DER.
    @ivar judge: called with the certificate of a peer in DER, and with the bytes of the
        expected peer id, or None if any peer may answer.  It returns the
        SubjectPublicKeyInfo of the certificate in DER, against which the backend checks
        the proof of possession; or raises an exception, and the handshake fails.  The
        backend asks it exactly about peers that sent one certificate: a peer without a
        certificate, or with several, is refused.  It may be asked several times.
    @ivar tokenKey: 32 secret bytes, from which the keys of Retry and NEW_TOKEN tokens
        are derived.  Tokens survive a restart with the same key.
    @ivar resetKey: 32 secret bytes for stateless resets, as above.
    @ivar alpn: the application protocols, in order of preference.
    @ivar idleTimeout: seconds of silence that end a connection; the smaller of both
        sides' counts.
    @ivar keepAlive: seconds of silence after which a PING is sent; a third of the idle
        timeout that counts, if that is less and the backend knows it.
    @ivar maxStreams: the streams that a peer may have open at once.
    @ivar streamWindow: the bytes that a peer may send on a stream before they are read;
        L{windowOf} says how this grows.
    @ivar connectionWindow: the same for all streams of a connection together.
    @ivar sendWindow: the unacknowledged bytes of a connection that the endpoint keeps
        at the most.
    @ivar cryptoBuffer: the bytes of handshake messages kept out of order.
    @ivar maxIncoming: the knocks that are kept undecided.
    @ivar maxDatagram: the bytes of the largest datagram that is tried (path MTU
        discovery); 1200 turns the discovery off.
    @ivar maxSegments: the most datagrams in one C{SentDatagram}; 1 without GSO.
    @ivar tickets: the number of TLS tickets for each dialer, and whether a dialer keeps
        them by peer: 0 turns resumption off.  There is never any 0-RTT data.
    """

    certificate: bytes
    privateKey: bytes
    judge: Callable[[bytes, bytes | None], bytes]
    tokenKey: bytes
    resetKey: bytes
    alpn: tuple[bytes, ...] = (b"libp2p",)
    idleTimeout: float = 30.0
    keepAlive: float = 15.0
    maxStreams: int = 256
    streamWindow: int = 1024 * 1024
    connectionWindow: int = 16 * 1024 * 1024
    sendWindow: int = 12 * 1024 * 1024
    cryptoBuffer: int = 16 * 1024
    maxIncoming: int = 1024
    maxDatagram: int = 1452
    maxSegments: int = 44
    tickets: int = 0


class IQuicBackend(Interface):
    """
    An implementation of QUIC.
    """

    name: str = Attribute("Its name, for C{--quic-backend}: such as C{aioquic}.")
    version: str = Attribute("The version of the library, for logs.")

    def endpoint(settings: QuicSettings) -> IQuicEndpoint:
        """
        Make an endpoint.

        @raise twisted_libp2p.errors.ConfigurationError: the backend cannot do what the
            settings ask for.
        """


class IQuicConnections(Interface):
    """
    Connections, as their sessions use them.

    A handle is valid until L{forget}; other calls raise C{KeyError} for an invalid one.
    Calls on a stream that does not exist, or no longer, change nothing: C{write}
    returns 0 there, and C{read} None.
    """

    def poll(
        handle: int, now: float
    ) -> tuple[list[SentDatagram], list[tuple[object, ...]], float | None, bool]:
        """
        Advance a connection.  If there are events, datagrams wait for the next call:
        what the caller writes because of the events leaves with them.

        The caller polls again while there are events, while it has called anything else
        since, and while C{due} has come: the datagrams of one call are bounded.

        @return: datagrams to send; events; the time of the next poll if nothing happens
            before, or None; and whether the connection is over: nothing will come of it
            any longer.
        """

    def forget(handle: int) -> None:
        """
        Forget a connection that is over, with its streams.
        """

    def open(handle: int, unidirectional: bool = False) -> int | None:
        """
        Open a stream.

        @param unidirectional: whether it is to have our half alone, as HTTP/3 wants
            some; only connections of the application protocol C{h3} have such streams.
        @return: its number; None if the peer allows no further stream now.
        """

    def write(handle: int, stream: int, pieces: Sequence[bytes | memoryview]) -> int:
        """
        Send bytes.

        @return: how many were taken: the peer's window and C{sendWindow} bound this.
            If it is not all, C{WRITABLE} or C{STOPPED} follows.
        """

    def finish(handle: int, stream: int) -> None:
        """
        End our half of a stream, after the bytes that were written.
        """

    def reset(handle: int, stream: int, code: int) -> None:
        """
        Reset our half of a stream: unsent bytes are dropped.
        """

    def stop(handle: int, stream: int, code: int) -> None:
        """
        Ask the peer to send no longer (STOP_SENDING), and drop the unread bytes of its
        half.
        """

    def read(handle: int, stream: int, maximum: int) -> tuple[bytes, int | None] | None:
        """
        Read bytes, and give the peer as much credit.  Bytes that nobody reads give no
        credit: the peer stops at the window of the stream.

        @param maximum: the most bytes.
        @return: the bytes, and None, or L{FIN} or the code of the peer's reset if this
            is the end of its half.  Fewer bytes than C{maximum}, without an end, are
            all that there is now; None if there is nothing.
        """

    def close(handle: int, now: float, code: int, reason: bytes) -> None:
        """
        Close a connection, with a code of the application.  C{LOST} follows, with the
        cause C{LOCAL}.
        """

    def ping(handle: int) -> None:
        """
        Send a PING, which the peer acknowledges.
        """

    def moved(handle: int, now: float) -> None:
        """
        Note that our own address has changed: the path is validated again.
        """

    def setWindow(handle: int, size: int) -> None:
        """
        Change the bytes that the peer may send on all streams together before they are
        read.  A smaller window takes effect as bytes are read.
        """

    def certificate(handle: int) -> bytes | None:
        """
        Return the certificate of the peer in DER; None before it is known.
        """

    def alpn(handle: int) -> bytes | None:
        """
        Return the agreed application protocol; None before it is known.
        """

    def address(handle: int) -> tuple[str, int]:
        """
        Return the present address of the peer: host and port.
        """

    def stats(handle: int) -> QuicStats:
        """
        Return facts of a connection.
        """


class IQuicEndpoint(IQuicConnections):
    """
    One UDP socket's connections.
    """

    def receive(
        now: float, datagrams: Sequence[ReceivedDatagram]
    ) -> tuple[list[int], list[Knock], list[SentDatagram]]:
        """
        Take received datagrams.  Datagrams that belong to nothing are dropped.

        @return: the handles to poll, the peers that want to connect, and datagrams to
            send, such as of version negotiation.
        """

    def accept(now: float, knock: int) -> tuple[int | None, list[SentDatagram]]:
        """
        Let a peer connect: it goes on to its handshake.

        @return: the handle, or None if the knock was no good; and datagrams to send.
        """

    def retry(knock: int) -> list[SentDatagram]:
        """
        Have the peer prove its address; this keeps no state.
        """

    def refuse(knock: int) -> list[SentDatagram]:
        """
        Refuse a peer with CONNECTION_REFUSED.
        """

    def ignore(knock: int) -> None:
        """
        Drop a knock without an answer.
        """

    def connect(
        now: float,
        host: str,
        port: int,
        expected: bytes | None,
        name: str,
        token: bytes = b"",
        roundTrip: float | None = None,
    ) -> int:
        """
        Begin to connect.

        @param host: the IP address of the peer, as text.
        @param expected: the bytes of the peer id that has to answer; None for any.
        @param name: the server name; peers ignore it.
        @param token: the last C{TOKEN} of this peer, or empty.
        @param roundTrip: the seconds of the round trip to this peer, as measured
            before: the first packets are sent again by it, if they are lost.  None
            if it is not known.
        @return: the handle.
        @raise ValueError: the address is invalid.
        """

    def serveWeb(certificate: bytes, privateKey: bytes) -> None:
        """
        Accept connections of the application protocol C{h3} from now on: those of
        browsers, which send no certificate, and which the judge is not asked about.
        They have the number of the event C{OPENED} for streams of one direction, too:
        these have the bit of the value 2.  Their datagrams are dropped.

        @param certificate: the certificate for these alone, in DER.  Another call
            changes it for later connections.
        @param privateKey: its key, a P-256 key as PKCS8 in DER.
        @raise ValueError: one of them cannot be read.
        """

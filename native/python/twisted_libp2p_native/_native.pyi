# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

__version__: str

class PanicException(BaseException):
    """
    A panic of Rust.  This package raises none; a judge that raises one causes one.
    """

class Settings(Protocol):
    """
    The settings of an endpoint: any object with these attributes, which are described
    at C{QuicSettings} of twisted_libp2p.
    """

    @property
    def certificate(self) -> bytes: ...
    @property
    def privateKey(self) -> bytes: ...
    @property
    def judge(self) -> Callable[[bytes, bytes | None], bytes]: ...
    @property
    def tokenKey(self) -> bytes: ...
    @property
    def resetKey(self) -> bytes: ...
    @property
    def alpn(self) -> Sequence[bytes]: ...
    @property
    def idleTimeout(self) -> float: ...
    @property
    def keepAlive(self) -> float: ...
    @property
    def maxStreams(self) -> int: ...
    @property
    def streamWindow(self) -> int: ...
    @property
    def connectionWindow(self) -> int: ...
    @property
    def sendWindow(self) -> int: ...
    @property
    def cryptoBuffer(self) -> int: ...
    @property
    def maxIncoming(self) -> int: ...
    @property
    def maxDatagram(self) -> int: ...
    @property
    def maxSegments(self) -> int: ...
    @property
    def tickets(self) -> int: ...

class Endpoint:
    """
    The connections of one UDP socket; C{IQuicEndpoint} of twisted_libp2p describes the
    methods.

    Results are of the classes that the constructor gets, which are named tuples of the
    caller, and its enumeration of the causes of a connection's end.  Events are tuples
    of a number and arguments.
    """

    def __new__(
        cls,
        settings: Settings,
        sent: type[tuple[Any, ...]],
        knock: type[tuple[Any, ...]],
        stats: type[tuple[Any, ...]],
        cause: type[int],
    ) -> Endpoint: ...
    def receive(
        self, now: float, datagrams: Iterable[tuple[bytes, str, int, int, int]]
    ) -> tuple[list[int], list[Any], list[Any]]: ...
    def accept(self, now: float, knock: int) -> tuple[int | None, list[Any]]: ...
    def retry(self, knock: int) -> list[Any]: ...
    def refuse(self, knock: int) -> list[Any]: ...
    def ignore(self, knock: int) -> None: ...
    def connect(
        self,
        now: float,
        host: str,
        port: int,
        expected: bytes | None,
        name: str,
        token: bytes | None = None,
        round_trip: float | None = None,
    ) -> int: ...
    def poll(
        self, handle: int, now: float
    ) -> tuple[list[Any], list[tuple[Any, ...]], float | None, bool]: ...
    def forget(self, handle: int) -> None: ...
    def serveWeb(self, certificate: bytes, privateKey: bytes) -> None: ...
    def open(self, handle: int, unidirectional: bool = False) -> int | None: ...
    def write(
        self, handle: int, stream: int, pieces: Iterable[bytes | memoryview]
    ) -> int: ...
    def finish(self, handle: int, stream: int) -> None: ...
    def reset(self, handle: int, stream: int, code: int) -> None: ...
    def stop(self, handle: int, stream: int, code: int) -> None: ...
    def read(
        self, handle: int, stream: int, maximum: int
    ) -> tuple[bytes, int | None] | None: ...
    def close(self, handle: int, now: float, code: int, reason: bytes) -> None: ...
    def ping(self, handle: int) -> None: ...
    def moved(self, handle: int, now: float) -> None: ...
    def setWindow(self, handle: int, size: int) -> None: ...
    def certificate(self, handle: int) -> bytes | None: ...
    def alpn(self, handle: int) -> bytes | None: ...
    def address(self, handle: int) -> tuple[str, int]: ...
    def stats(self, handle: int) -> Any: ...

class RtcConfig:
    """
    What the connections of a listener for WebRTC have in common.
    """

    def __new__(
        cls,
        certificate: bytes,
        private_key: bytes,
        window: int,
        low: int,
        max_channels: int,
        timeout: float,
        resend: float,
    ) -> RtcConfig:
        """
        @param certificate: our certificate, in DER.
        @param private_key: its key, as PKCS8 in DER.
        @param window: the bytes that a peer may send before they are read; 131072 or
            more.
        @param low: a channel is writable again when no more bytes of it wait.
        @param max_channels: the most channels that the peer may have open.
        @param timeout: seconds for the handshake of DTLS.
        @param resend: seconds after which SCTP sends again, at the least; at the most
            five times as many.
        @raise ValueError: one of them is out of its range, or cannot be read.
        """

    def judge(self, now: float, source: bytes, hello: bytes) -> int:
        """
        Judge the first datagram of a peer.  Nothing is kept.

        @param now: the seconds of a clock, as in all calls.
        @param source: the address of the peer, in any form.
        @return: 0 for anything but a ClientHello that is whole, 1 for one without a
            cookie, 2 for one with the cookie of this address, 3 for one with another
            cookie.
        """

    def ask(self, now: float, source: bytes, hello: bytes) -> bytes | None:
        """
        Return the datagram that asks a peer for a cookie, which is not longer than
        C{hello}; None if the peer cannot be asked.  Nothing is kept.  A cookie is good
        for 30 to 60 seconds.
        """

    def resume(self, now: float, source: bytes, hello: bytes) -> RtcConnection | None:
        """
        Make the connection of a peer that has sent the cookie of its address; None if
        it has not.
        """

class RtcConnection:
    """
    One connection of WebRTC without ICE: DTLS, SCTP, and the opening of channels.

    Events are tuples of a number and arguments:

      - C{(1,)}: ready.  Channel 0 is open, without any message.
      - C{(2, cause, text)}: the end; the cause is 1 (by the peer), 2 (an error), 3 (by
        our side), or 4 (the handshake took too long).
      - C{(3, channel)}: the peer has opened a channel.
      - C{(4, channel)}: there are messages to read.
      - C{(5, channel)}: no more than C{low} bytes of it wait.
      - C{(6, channel)}: it is closed.  All its messages have been read.
      - C{(7, channel)}: its number may be used again.
      - C{(8,)}: C{full} is false again.

    A panic of a state machine is the event C{(2, 2, text)}.
    """

    def __new__(cls, config: RtcConfig, now: float, dialed: bool) -> RtcConnection:
        """
        @param now: the seconds of a clock, as in all calls.
        @param dialed: whether our side is the client of DTLS.
        """

    def receive(self, now: float, data: bytes) -> None:
        """
        Take a datagram; the next poll reports what came of it.
        """

    def poll(
        self, now: float
    ) -> tuple[list[bytes], list[tuple[Any, ...]], float | None, bool]:
        """
        Advance.

        @return: datagrams to send; events; the time of the next poll; and whether the
            connection is over.
        """

    def open(self, channel: int) -> bool:
        """
        Open a channel; return whether this is possible now.  The numbers of a client of
        DTLS are even, those of a server odd.
        """

    def write(self, channel: int, message: bytes) -> int | None:
        """
        Send a message; return how many bytes of the channel wait now, or None if it is
        closed.
        """

    def full(self) -> bool:
        """
        Return whether the bytes of all channels that wait are too many, a MiB or more.
        """

    def buffered(self, channel: int) -> int | None:
        """
        Return how many bytes of a channel wait; None if it is closed.
        """

    def read(self, channel: int, maximum: int) -> tuple[bytes, bool]:
        """
        Read messages until they have C{maximum} bytes or more, joined; and whether one
        of them is text, which is not returned.
        """

    def shut(self, channel: int) -> None:
        """
        Close a channel, in both directions.
        """

    def close(self, now: float) -> None:
        """
        Close the connection.
        """

    def certificate(self) -> bytes | None:
        """
        Return the certificate of the peer in DER; None before it is known.
        """

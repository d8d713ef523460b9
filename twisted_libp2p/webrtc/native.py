# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The part of WebRTC that is native: DTLS and SCTP, by the distribution
C{twisted-libp2p-native}.
"""

from __future__ import annotations

from enum import IntEnum
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import TYPE_CHECKING, Protocol

from twisted.python.reflect import namedAny

from twisted_libp2p.errors import ConfigurationError

if TYPE_CHECKING:
    from twisted_libp2p.quic.webtransport.certificate import WebCertificate

__all__ = [
    "HANDSHAKE_TIMEOUT",
    "HIGH",
    "LOW",
    "MAX_CHANNELS",
    "RESEND",
    "WINDOW",
    "Connection",
    "Hello",
    "Machines",
    "RtcCause",
    "RtcEvent",
    "connections",
    "installed",
]

_PACKAGE = "twisted_libp2p_native"

#: The oldest release that has the machines.
_OLDEST = (0, 6)

#: Imported at its first use, as it needs this.
_MACHINES = "twisted_libp2p.webrtc.machines.machines"

#: The bytes that a peer may send on all channels together before they are read.
WINDOW = 256 * 1024

#: A channel takes no more while as many bytes of it wait to be sent.
HIGH = 256 * 1024

#: It takes more when no more of them wait.
LOW = 128 * 1024

#: The most channels that a peer may have open: those of its streams, and closed ones.
MAX_CHANNELS = 512

#: Seconds for the handshake of DTLS.
HANDSHAKE_TIMEOUT = 10.0

#: Seconds after which SCTP sends again, at the least: a lost tail of a transfer costs
#: as much.  The time grows to five times as much.
RESEND = 0.4


class RtcEvent(IntEnum):
    """
    The first item of each event of a connection; the others are its arguments.
    """

    #: C{()}: DTLS and SCTP are ready, and channel 0 is open.
    CONNECTED = 1
    #: C{(cause: RtcCause, text: str)}: the end.
    LOST = 2
    #: C{(channel)}: the peer has opened a channel.
    OPENED = 3
    #: C{(channel)}: there are messages to read.
    READABLE = 4
    #: C{(channel)}: few bytes wait to be sent.
    WRITABLE = 5
    #: C{(channel)}: it is closed, and all its messages have been read.
    CLOSED = 6
    #: C{(channel)}: its number may be used again.
    FREED = 7
    #: C{()}: few bytes of all channels wait to be sent, after L{Connection.full}.
    DRAINED = 8


class RtcCause(IntEnum):
    """
    The cause of the end of a connection.
    """

    #: The peer has closed it.
    PEER = 1
    #: An error.
    BROKEN = 2
    #: Our side has closed it.
    LOCAL = 3
    #: The handshake took too long.
    TIMEOUT = 4


class Hello(IntEnum):
    """
    The kinds of first datagrams of peers without a connection.
    """

    #: No whole ClientHello, or none at all.
    PART = 0
    #: A ClientHello without a cookie.
    FIRST = 1
    #: One with the cookie of its address.
    PROVEN = 2
    #: One with another cookie.
    FALSE = 3


class Connection(Protocol):
    """
    C{RtcConnection} of the distribution: the machine of one connection.
    """

    def receive(self, now: float, data: bytes) -> None:
        """
        Take a datagram.
        """

    def poll(
        self, now: float
    ) -> tuple[list[bytes], list[tuple[object, ...]], float | None, bool]:
        """
        Advance.
        """

    def open(self, channel: int) -> bool:
        """
        Open a channel; return whether this is possible now.
        """

    def write(self, channel: int, message: bytes) -> int | None:
        """
        Send a message; return the bytes that wait, or None if the channel is closed.
        """

    def full(self) -> bool:
        """
        Return whether too many bytes of all channels wait.
        """

    def buffered(self, channel: int) -> int | None:
        """
        Return the bytes of a channel that wait.
        """

    def read(self, channel: int, maximum: int) -> tuple[bytes, bool]:
        """
        Read messages, joined; and whether one is text.
        """

    def shut(self, channel: int) -> None:
        """
        Close a channel.
        """

    def close(self, now: float) -> None:
        """
        Close the connection.
        """

    def certificate(self) -> bytes | None:
        """
        Return the certificate of the peer.
        """


class Machines(Protocol):
    """
    Makes connections with one certificate of ours.
    """

    def make(self, now: float, dialed: bool) -> Connection:
        """
        Make the machine of a connection.

        @param dialed: whether our side has dialed.
        """

    def judge(self, now: float, source: bytes, hello: bytes) -> Hello:
        """
        Judge the first datagram of a peer.  Nothing is kept.

        @param source: the address of the peer, in any form.
        """

    def ask(self, now: float, source: bytes, hello: bytes) -> bytes | None:
        """
        Return the datagram that asks a peer for a cookie, which is not longer than its
        own; None if it cannot be asked.
        """

    def resume(self, now: float, source: bytes, hello: bytes) -> Connection | None:
        """
        Make the machine of a connection with a peer that has sent its cookie; None if
        the cookie is no longer valid.
        """


def installed() -> bool:
    """
    Return whether the distribution is installed, and new enough; it is not imported for
    this.
    """
    return find_spec(_PACKAGE) is not None and _release() >= _OLDEST


def _release() -> tuple[int, ...]:
    """
    Return the release of the distribution; nothing if there is none.
    """
    try:
        return tuple(map(int, version(_PACKAGE).split(".")[:2]))
    except PackageNotFoundError:
        return ()


def connections(certificate: WebCertificate) -> Machines:
    """
    Return what makes connections with a certificate.

    @raise ConfigurationError: the native part is missing, or too old.
    """
    try:
        maker = namedAny(_MACHINES)
        if not installed():
            raise ImportError(f"this is {version(_PACKAGE)}")
    except ImportError as error:
        oldest = ".".join(map(str, _OLDEST))
        raise ConfigurationError(
            f"WebRTC-direct needs twisted-libp2p-native {oldest}: make native, in a"
            f" checkout ({error})"
        ) from error
    made: Machines = maker(certificate)
    return made

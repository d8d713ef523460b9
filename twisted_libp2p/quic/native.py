# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The backend C{native}: quinn-proto, by the distribution C{twisted-libp2p-native}.
"""

from __future__ import annotations

from zope.interface import implementer

from twisted_libp2p.errors import ConfigurationError
from twisted_libp2p.interfaces import (
    IQuicBackend,
    IQuicEndpoint,
    Knock,
    LossCause,
    QuicSettings,
    QuicStats,
    SentDatagram,
)
from twisted_libp2p_native import Endpoint, __version__

__all__ = ["NativeBackend", "checkVersion"]

#: The oldest release that keeps the contract of this package.
_OLDEST = (0, 4)

# Its methods are the contract: another object between would cost a call for each.
implementer(IQuicEndpoint)(Endpoint)


def checkVersion(version: str) -> None:
    """
    Check that the distribution is not too old.

    @raise ConfigurationError: it is; the text says how to build it.
    """
    if tuple(int(each) for each in version.split(".")[:2]) < _OLDEST:
        oldest = ".".join(map(str, _OLDEST))
        raise ConfigurationError(
            f"twisted-libp2p-native {version} is older than {oldest}: make native"
        )


checkVersion(__version__)


@implementer(IQuicBackend)
class NativeBackend:
    """
    QUIC by quinn-proto.
    """

    name = "native"
    version = __version__

    def endpoint(self, settings: QuicSettings) -> IQuicEndpoint:
        """
        Make an endpoint.

        @raise ConfigurationError: a setting is out of its range.
        """
        try:
            made = Endpoint(settings, SentDatagram, Knock, QuicStats, LossCause)
            return IQuicEndpoint(made)
        except (OverflowError, TypeError, ValueError) as error:
            raise ConfigurationError(f"QUIC: {error}") from None

# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The backend over aioquic.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

import aioquic
from zope.interface import implementer

from twisted_libp2p.interfaces import IQuicBackend, QuicSettings
from twisted_libp2p.quic.aioquic.endpoint import AioquicEndpoint

__all__ = ["AioquicBackend"]

# Without a handler, Python would write its warnings about peers to stderr.
logging.getLogger("quic").addHandler(logging.NullHandler())


@implementer(IQuicBackend)
class AioquicBackend:
    """
    QUIC by aioquic.
    """

    name = "aioquic"
    version = aioquic.__version__

    def __init__(self, wall: Callable[[], float] = time.time) -> None:
        """
        @param wall: returns the seconds since 1970, for tokens.
        """
        self._wall = wall

    def endpoint(self, settings: QuicSettings) -> AioquicEndpoint:
        """
        Make an endpoint.
        """
        return AioquicEndpoint(settings, self._wall)

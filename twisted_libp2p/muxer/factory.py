# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The factory of a session.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from twisted.internet.interfaces import IAddress
from twisted.protocols.policies import WrappingFactory

from twisted_libp2p.muxer.session import MuxerSession

if TYPE_CHECKING:
    from twisted_libp2p.interfaces import IMuxedConnection

__all__ = ["SessionFactory"]


class SessionFactory(WrappingFactory):
    """
    A wrapping factory whose wrapped factory is asked once for every stream,
    not once for the connection.
    """

    noisy = False

    def __init__(
        self,
        connection: IMuxedConnection,
        build: Callable[[SessionFactory], MuxerSession],
    ) -> None:
        """
        @param connection: the owner of the session.
        @param build: builds the session for this factory.
        """
        super().__init__(connection)
        self._build: Callable[[SessionFactory], MuxerSession] | None = build

    def buildProtocol(self, addr: IAddress | None) -> MuxerSession:
        """
        Build the session of one transport.
        """
        assert self._build is not None
        # There is one session for a connection, and this stays as long as it does.
        build, self._build = self._build, None
        return build(self)

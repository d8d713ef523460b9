# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The tools of the suite of backends of QUIC.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twisted_libp2p.interfaces import IQuicBackend, QuicEvent
from twisted_libp2p.testing.quic.pair import QuicPair

if TYPE_CHECKING:
    from twisted.trial.unittest import SynchronousTestCase as TestCase
else:
    TestCase = object

__all__ = ["QuicBase"]


class QuicBase(TestCase):
    """
    The tools of the suite.
    """

    def makeBackend(self) -> IQuicBackend:
        """
        Make the backend under test.
        """
        raise NotImplementedError

    def makeOther(self) -> IQuicBackend:
        """
        Make the backend of the listener: the same, unless two are compared.
        """
        return self.makeBackend()

    # Tools

    def pair(
        self,
        dialer: dict[str, Any] | None = None,
        listener: dict[str, Any] | None = None,
    ) -> QuicPair:
        """
        Make two ends that are not connected.

        @param dialer: settings of the dialer.
        @param listener: settings of the listener.
        """
        return QuicPair(self.makeBackend(), self.makeOther(), dialer, listener)

    def connected(self, **settings: Any) -> QuicPair:
        """
        Make two ends that are connected.

        @param settings: settings of both.
        """
        pair = self.pair(settings, settings)
        pair.connect()
        self.assertEqual(pair.dialer.named(QuicEvent.CONNECTED), [()])
        self.assertEqual(pair.listener.named(QuicEvent.CONNECTED), [()])
        return pair

    def opened(self, pair: QuicPair, data: bytes = b"hello") -> int:
        """
        Have the dialer open a stream, and write on it.

        @return: the number of the stream, which is that of both ends.
        """
        end = pair.dialer
        stream = end.endpoint.open(end.connection)
        assert stream is not None
        taken = end.endpoint.write(end.connection, stream, [data])
        self.assertEqual(taken, len(data))
        pair.run()
        return stream

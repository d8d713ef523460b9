# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The suites for streams, sessions and muxers.
"""

from __future__ import annotations

from twisted_libp2p.testing.muxer.data import DataTests
from twisted_libp2p.testing.muxer.framing import FramingTests
from twisted_libp2p.testing.muxer.halves import HalfCloseTests
from twisted_libp2p.testing.muxer.producing import ProducerTests
from twisted_libp2p.testing.muxer.reading import ReadingTests
from twisted_libp2p.testing.muxer.resets import ResetTests
from twisted_libp2p.testing.muxer.sessions import SessionTests

__all__ = ["MuxerConformance", "SessionConformance", "StreamConformance"]


class StreamConformance(
    DataTests, HalfCloseTests, ResetTests, ReadingTests, ProducerTests
):
    """
    The tests that all streams have to pass, whatever carries them.

    Override C{connect}, which returns a new
    L{SessionPair<twisted_libp2p.testing.muxer.pair.SessionPair>} that uses C{clock}.
    """


class SessionConformance(StreamConformance, SessionTests):
    """
    The tests that all L{IMuxerSession<twisted_libp2p.interfaces.IMuxerSession>}s and
    their streams have to pass, those of natively muxed transports too.
    """


class MuxerConformance(FramingTests, SessionConformance):
    """
    The tests that every muxer over a transport of bytes has to pass.

    Override C{muxer}.  C{announces} is False unless it is set.
    """

    announces = False

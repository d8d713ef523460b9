# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Suites for streams, sessions and muxers, and the doubles that they use::

    doubles     applications, and the owner of a session
    producers   producers that write on a stream
    pair        two sessions that are connected in memory
    data, halves, resets, reading, producing
                the tests of streams, by subject
    sessions    the tests of sessions
    framing     the tests of sessions over a transport of bytes
    conformance the suites that join them

To test a muxer of your own::

    class MyMuxerTests(MuxerConformance, SynchronousTestCase):
        def muxer(self, clock):
            return MyMuxer(clock)

To test the sessions of a natively muxed transport::

    class MySessionTests(SessionConformance, SynchronousTestCase):
        def connect(self):
            return MyPair(self.clock)  # a SessionPair
"""

from twisted_libp2p.testing.muxer.conformance import (
    MuxerConformance,
    SessionConformance,
    StreamConformance,
)
from twisted_libp2p.testing.muxer.doubles import (
    Collector,
    Echo,
    HalfCloseCollector,
    MuxedConnectionDouble,
    StreamScopeDouble,
)
from twisted_libp2p.testing.muxer.pair import MuxerPair, SessionPair
from twisted_libp2p.testing.muxer.producers import PullProducer, PushProducer

__all__ = [
    "Collector",
    "Echo",
    "HalfCloseCollector",
    "MuxedConnectionDouble",
    "MuxerConformance",
    "MuxerPair",
    "PullProducer",
    "PushProducer",
    "SessionConformance",
    "SessionPair",
    "StreamConformance",
    "StreamScopeDouble",
]

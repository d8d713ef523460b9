# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Muxers: one authenticated connection becomes many streams.

What enters is the byte transport that a security wrapper gives, and the owner
of the connection, an
L{IMuxedConnection<twisted_libp2p.interfaces.IMuxedConnection>}.  What leaves
are L{Stream}s, each the transport of one protocol::

    state       which halves of a stream have ended, as a table
    stream      the stream, one for all muxers: what applications see
    session     what the muxers share: the streams' table, send order,
                back-pressure, the order of ends
    yamux       streams with windows
    mplex       streams without

See libp2p/specs, connections/README, yamux/README and mplex/README.
"""

from __future__ import annotations

from twisted_libp2p.muxer.mplex import Mplex
from twisted_libp2p.muxer.stream import Stream
from twisted_libp2p.muxer.yamux import Yamux

__all__ = ["Mplex", "Stream", "Yamux"]

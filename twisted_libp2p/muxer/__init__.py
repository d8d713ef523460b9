# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Muxers: one authenticated connection becomes many streams.

A muxer gets the byte transport of a security wrapper, and the owner of the
connection, an L{IMuxedConnection<twisted_libp2p.interfaces.IMuxedConnection>}.  It
makes L{Stream}s, each the transport of one protocol::

    state       which halves of a stream have ended, as tables
    outbox      written bytes that wait to be sent
    inbox       received bytes that wait to be read
    facts       who opened a stream, its protocol and its addresses
    stream      these joined: the stream of all muxers, and its ends
    table       the streams of a session: counts, limits, deadlines of closed streams
    turns       when streams are sent, and their applications notified
    ends        ends that are held back for a moment
    frames      the part of a session that each muxer brings
    phase       the life of a session
    session     all of this joined: a session over a transport of bytes
    layer       the layer that stacks a session on its transport
    yamux       streams with windows
    mplex       streams without

See libp2p/specs, connections/README, yamux/README and mplex/README.
"""

from __future__ import annotations

from twisted_libp2p.muxer.mplex import Mplex
from twisted_libp2p.muxer.stream import Stream
from twisted_libp2p.muxer.yamux import Yamux

__all__ = ["Mplex", "Stream", "Yamux"]

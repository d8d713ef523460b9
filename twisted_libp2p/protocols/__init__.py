# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Protocols: what is spoken on streams.

These are ordinary Twisted protocols; they know of libp2p only what
C{transport.getPeer()} tells them.  L{ping} and L{identify} are spoken by every
node, L{echo} and L{perf} by nodes that are asked to, L{forward} joins a stream
with any Twisted endpoint.
"""

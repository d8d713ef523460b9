# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Negotiation: two sides agree on the protocol of a transport.

The same wrapper negotiates three times on the way of a byte: which security
protocol on the raw transport, which muxer on the secured one, which
application protocol on a stream.  A transport goes in that speaks nothing
yet; the protocol that was agreed comes out, connected to that very transport,
and the negotiator is gone from the path of the bytes.

L{multistream} is multistream-select 1.0, L{bootstrap} the NUL-terminated
dialect of the I{Connection Lifecycle} draft; both are machines without I/O.
L{negotiator} moves their bytes; L{registry} knows what a node serves.
"""

from twisted_libp2p.negotiation.negotiator import Machine, Negotiation, Negotiator

__all__ = [
    "Machine",
    "Negotiation",
    "Negotiator",
]

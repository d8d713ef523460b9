# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Negotiation: two sides agree on the protocol of a transport.

The same layer negotiates three times on the way of a byte: the security protocol on the
raw transport, the muxer on the secured one, the application protocol on a stream.  The
result is the negotiated protocol, connected to that transport itself; the negotiator is
no longer in the path of the bytes.

L{multistream} is multistream-select 1.0, L{bootstrap} the NUL-terminated dialect of the
I{Connection Lifecycle} draft; both are machines without I/O.  L{negotiator} moves their
bytes.
"""

from twisted_libp2p.negotiation.negotiator import Machine, Negotiation, Negotiator

__all__ = [
    "Machine",
    "Negotiation",
    "Negotiator",
]

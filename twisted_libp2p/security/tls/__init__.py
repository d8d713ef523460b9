# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
TLS 1.3: bytes of a transport go in, bytes of an authenticated peer come out::

    certificate  ours, and the judgement of a peer's
    verdict      what OpenSSL leaves to us of a handshake
    context      OpenSSL's settings
    hello        the first message of a client, until it is whole
    handshake    OpenSSL as the machine of the handshake
    channel      OpenSSL as the channel that comes out of it
    transport    what is peculiar to its ends
    tls          the ISecurity that the rest of the house sees

See libp2p/specs, tls/tls.md and connections/inlined-muxer-negotiation.md.
"""

from __future__ import annotations

from twisted_libp2p.security.tls.tls import TLS

__all__ = ["TLS"]

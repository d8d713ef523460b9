# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
TLS 1.3: bytes of a transport go in, bytes of an authenticated peer come out::

    certificate  ours, and the judgement of a peer's
    handshake    what OpenSSL leaves to us of a handshake
    context      OpenSSL's settings
    transport    the stack: Twisted's TLS, and the secure transport on it
    tls          the ISecurity that the rest of the house sees

See libp2p/specs, tls/tls.md and connections/inlined-muxer-negotiation.md.
"""

from __future__ import annotations

from twisted_libp2p.security.tls.tls import TLS

__all__ = ["TLS"]

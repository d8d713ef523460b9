# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Noise: bytes of a transport go in, bytes of an authenticated peer come out::

    xx          the handshake of the Noise Protocol Framework
    payload     what libp2p says inside it: identity and muxers
    handshake   both together, in frames
    frame       the channel that comes out
    noise       the ISecurity that the rest of the house sees

See libp2p/specs, noise/README.md.
"""

from __future__ import annotations

from twisted_libp2p.security.noise.noise import Noise

__all__ = ["Noise"]

# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
SECIO: bytes of a transport go in, bytes of an authenticated peer come out::

    suite       the algorithms, and how two sides come to the same ones
    ephemeral   the keys of one connection, and the secret they agree on
    stretch     from that secret to the keys of both directions
    handshake   the three flights of each side
    frame       the channel that comes out
    secio       the ISecurity that the rest of the house sees

SECIO is an ancestor of Noise and TLS in libp2p, and is here for peers that
have neither.  It is weaker than both, so a node has to be asked for it.  A
packet is protected alone: nothing but the position in the key stream ties it
to its place, so somebody in the middle who repeats, drops or swaps whole
packets is not found out by the channel; what he makes of their content is
noise to the protocol above.  The end of a connection is not protected at all.

See libp2p/specs, secio/README.md.
"""

from __future__ import annotations

from twisted_libp2p.security.secio.secio import SECIO

__all__ = ["SECIO"]

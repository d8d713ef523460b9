# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
AutoTLS: a certificate that browsers trust, without a domain of one's own.

A broker of the libp2p project owns the domain C{libp2p.direct}, and lets each peer
prove to an authority, by ACME, that C{*.PEER.libp2p.direct} is its own (libp2p/specs,
tls/autotls.md).
"""

from twisted_libp2p.autotls.service import AutoTLS

__all__ = ["AutoTLS"]

# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
mplex: streams without windows, for peers that know nothing better::

    frame       packs and cuts frames
    session     the session of one connection
    muxer       the muxer with its options

See libp2p/specs, mplex/README.
"""

from __future__ import annotations

from twisted_libp2p.muxer.mplex.muxer import Mplex
from twisted_libp2p.muxer.mplex.session import MplexSession

__all__ = ["Mplex", "MplexSession"]

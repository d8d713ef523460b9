# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
yamux: streams with windows::

    frame       packs and cuts frames
    window      the arithmetic of a receive window, and its growth
    session     the session of one connection
    muxer       the muxer with its options

See hashicorp/yamux, spec.md, and libp2p/specs, yamux/README.
"""

from __future__ import annotations

from twisted_libp2p.muxer.yamux.muxer import Yamux
from twisted_libp2p.muxer.yamux.session import YamuxSession

__all__ = ["Yamux", "YamuxSession"]

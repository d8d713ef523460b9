# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
What twisted_libp2p finds of lantern.
"""

from __future__ import annotations

from twisted_libp2p.plugin import MuxerProvider, SecurityProvider

lantern = SecurityProvider(
    "lantern", "lantern.security.Lantern", "an example; nobody has reviewed it"
)
bundle = MuxerProvider("bundle", "lantern.muxer.Bundle", "an example")

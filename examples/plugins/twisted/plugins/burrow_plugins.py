# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
What twisted_libp2p finds of burrow.
"""

from __future__ import annotations

from twisted_libp2p.plugin import TransportProvider

burrow = TransportProvider("burrow", "burrow.Burrow.ofHost", "Unix sockets: an example")

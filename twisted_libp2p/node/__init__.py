# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The node: the object that an application holds.
"""

from twisted_libp2p.node.node import MUXERS, SECURITIES, Listener, Node, ProtocolPort

__all__ = ["MUXERS", "SECURITIES", "Listener", "Node", "ProtocolPort"]

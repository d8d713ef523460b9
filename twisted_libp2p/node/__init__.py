# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The node: the object that an application holds.
"""

from twisted_libp2p.node.listener import Listener
from twisted_libp2p.node.listeners import Listeners
from twisted_libp2p.node.node import MUXERS, SECURITIES, Node
from twisted_libp2p.node.serving import ProtocolPort

__all__ = ["MUXERS", "SECURITIES", "Listener", "Listeners", "Node", "ProtocolPort"]

# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The peerstore: what is known of peers, whether they are connected or not.

What enters are addresses and facts that dialing and identify have learnt;
what leaves are the addresses to dial.  The draft calls it peer metadata
storage.
"""

from twisted_libp2p.peerstore.memory import MemoryPeerStore

__all__ = ["MemoryPeerStore"]

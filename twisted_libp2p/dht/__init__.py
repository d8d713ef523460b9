# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Kademlia: a distributed table of peers, values and providers.

See ipfs/specs, src/routing/kad-dht.md, and libp2p/specs, kad-dht/README.md.
"""

# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Rendezvous: points at which peers register under a name, and ask for others
(libp2p/specs, rendezvous/README.md).
"""

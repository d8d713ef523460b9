# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tunnels: ports of this machine that are protocols of a peer, and protocols of ours that
are ports of this machine.
"""

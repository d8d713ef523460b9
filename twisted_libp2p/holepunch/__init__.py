# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Hole punching: a direct connection in place of a relayed one, between two peers behind
routers that translate addresses.

See libp2p/specs, relay/DCUtR.md.
"""

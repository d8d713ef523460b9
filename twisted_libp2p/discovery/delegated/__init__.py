# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Delegated routing: peers and providers, found by a server over HTTP (ipfs/specs,
src/routing/http-routing-v1.md).
"""

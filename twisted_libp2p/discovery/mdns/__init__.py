# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Finding peers on the local network by multicast DNS (libp2p/specs, discovery/mdns.md).
"""

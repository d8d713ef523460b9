# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The door: a proxy on this machine, for SOCKS5 and HTTP, whose hosts are peers.
"""

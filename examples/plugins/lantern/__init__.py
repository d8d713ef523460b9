# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
A security and a muxer for twisted_libp2p, by somebody else: an example.
"""

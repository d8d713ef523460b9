# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
QUIC: connections over UDP that are secure and multiplexed by themselves.
"""

# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Protocols: Twisted protocols that run on streams.

L{ping} and L{identify} are services that every node has; L{echo} and L{perf} are
protocols that a node serves on request; L{exchange} is the form of most others, a
request and its answer; L{forward} joins a stream with any Twisted
endpoint.
"""

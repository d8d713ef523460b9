# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Each server that Twisted ships, over a stream, with its own client.
"""

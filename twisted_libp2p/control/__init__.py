# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The control socket of a running node, by which tools of the same user ask it.
"""

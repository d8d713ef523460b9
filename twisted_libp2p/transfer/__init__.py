# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The transfer of a file to a peer, which goes on where it was interrupted.
"""

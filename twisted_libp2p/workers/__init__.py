# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
A node that runs in several processes: a supervisor binds the sockets, and starts
workers, which accept connections from them.

All workers have one identity, and so peers see one peer.  The supervisor starts another
worker in place of one that has ended or does not answer, and replaces all of them one
after the other, without a moment in which nobody accepts connections.
"""

# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Unix sockets: connections between the processes of one host.
"""

from twisted_libp2p.transport.unix.transport import UnixSockets, UnixTransport, pathOf

__all__ = ["UnixSockets", "UnixTransport", "pathOf"]

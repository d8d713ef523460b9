# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The connections that the kernel tracks for a router.
"""

from __future__ import annotations

import socket
import struct

__all__ = ["forgetConnections"]

# Of linux/netlink.h, linux/netfilter/nfnetlink.h and nfnetlink_conntrack.h.
_NETLINK_NETFILTER = 12
_CTNETLINK_DELETE = 1 << 8 | 2
_REQUEST_ACK = 1 | 4
_HEADER = struct.Struct("=IHHII")


def forgetConnections() -> None:
    """
    Make the kernel forget all connections that it tracks in the present namespace.

    @raise OSError: it refuses.
    """
    with socket.socket(
        socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_NETFILTER
    ) as netlink:
        netlink.bind((0, 0))
        # Of any family; and no connection, which stands for all of them.
        body = struct.pack("=BBH", socket.AF_UNSPEC, 0, 0)
        size = _HEADER.size + len(body)
        head = _HEADER.pack(size, _CTNETLINK_DELETE, _REQUEST_ACK, 1, 0)
        netlink.send(head + body)
        answer = netlink.recv(4096)
    (error,) = struct.unpack_from("=i", answer, _HEADER.size)
    if error:
        raise OSError(-error, "the connections are not forgotten")

# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The order in which connections are trimmed.
"""

from __future__ import annotations

from zope.interface import implementer

from twisted_libp2p.interfaces import Direction, IConnection, IExpendability

__all__ = ["ByValue"]


@implementer(IExpendability)
class ByValue:
    """
    The default order in which connections are trimmed, the most expendable first:

      1. of peers with less value, which is the sum of their tags;
      2. without streams, before the connections in use;
      3. inbound, before the connections that our side has opened;
      4. with fewer streams;
      5. younger: a peer that has stayed for long is likely to stay.

    go-libp2p has the first four, js-libp2p the first two and the last two.
    """

    def key(
        self, connection: IConnection, value: float
    ) -> tuple[float, bool, bool, int, float]:
        """
        Return the key by which connections are sorted.
        """
        streams = len(connection.streams)
        return (
            value,
            streams > 0,
            connection.direction is Direction.OUTBOUND,
            streams,
            -connection.openedAt,
        )

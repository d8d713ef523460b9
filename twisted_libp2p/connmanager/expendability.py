# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Which connections are the most expendable.
"""

from __future__ import annotations

from zope.interface import implementer

from twisted_libp2p.interfaces import Direction, IConnection, IExpendability

__all__ = ["ByValue"]


@implementer(IExpendability)
class ByValue:
    """
    The order in which connections are trimmed unless a node has another one,
    the most expendable first:

      1. of peers that are worth less: the sum of their tags is smaller;
      2. without streams, before those that are in use;
      3. inbound, before those that our side wanted;
      4. with fewer streams;
      5. younger: who has stayed for long is likely to stay.

    go-libp2p has the first four, js-libp2p the first two and the last two.
    """

    def key(
        self, connection: IConnection, value: float
    ) -> tuple[float, bool, bool, int, float]:
        """
        @return: what connections are sorted by.
        """
        streams = len(connection.streams)
        return (
            value,
            streams > 0,
            connection.direction is Direction.OUTBOUND,
            streams,
            -connection.openedAt,
        )

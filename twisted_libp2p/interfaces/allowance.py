# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The limits of a relay on a connection.
"""

from __future__ import annotations

from zope.interface import Attribute, Interface

__all__ = ["IAllowance", "ILimitedAddress"]


class IAllowance(Interface):
    """
    What a relay still allows for a connection.  Each is None if it has no limit.
    """

    seconds: float | None = Attribute("The seconds that are left.")
    toSend: int | None = Attribute("The bytes that our side may still send.")
    toReceive: int | None = Attribute("The bytes that the peer may still send.")


class ILimitedAddress(Interface):
    """
    An address, by C{getHost()} of a relayed connection, that knows the limits of the
    relay.
    """

    allowance: IAllowance | None = Attribute(
        "What the relay still allows; None if it allows everything."
    )

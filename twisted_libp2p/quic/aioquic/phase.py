# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The phases of one connection of aioquic, which has several objects and no events for
some of them.
"""

from __future__ import annotations

from enum import IntEnum

__all__ = ["PHASES", "Phase"]


class Phase(IntEnum):
    """
    The phases of a connection.
    """

    #: The handshake goes on.
    HANDSHAKE = 0
    #: The peer has proven its identity.
    CONNECTED = 1
    #: The peer has confirmed the handshake; a listener does not come to this.
    CONFIRMED = 2
    #: Our side has closed the connection.
    CLOSING = 3
    #: The end has been reported.
    LOST = 4
    #: The peer has no state of the connection; the end has been reported.
    FORGOTTEN = 5


#: The next phase, and the effect of the transition, for each phase and event.  An event
#: that is not in the table changes nothing.
PHASES: dict[tuple[Phase, str], tuple[Phase, str]] = {
    (Phase.HANDSHAKE, "complete"): (Phase.CONNECTED, "report CONNECTED"),
    (Phase.CONNECTED, "confirm"): (Phase.CONFIRMED, "report CONFIRMED"),
    (Phase.HANDSHAKE, "close"): (Phase.CLOSING, "close"),
    (Phase.CONNECTED, "close"): (Phase.CLOSING, "close"),
    (Phase.CONFIRMED, "close"): (Phase.CLOSING, "close"),
    (Phase.HANDSHAKE, "end"): (Phase.LOST, "report LOST"),
    (Phase.CONNECTED, "end"): (Phase.LOST, "report LOST"),
    (Phase.CONFIRMED, "end"): (Phase.LOST, "report LOST"),
    (Phase.CLOSING, "end"): (Phase.LOST, "report LOST"),
    (Phase.HANDSHAKE, "reset"): (Phase.FORGOTTEN, "report LOST"),
    (Phase.CONNECTED, "reset"): (Phase.FORGOTTEN, "report LOST"),
    (Phase.CONFIRMED, "reset"): (Phase.FORGOTTEN, "report LOST"),
    (Phase.CLOSING, "reset"): (Phase.FORGOTTEN, "report LOST"),
    (Phase.LOST, "reset"): (Phase.FORGOTTEN, "nothing"),
}

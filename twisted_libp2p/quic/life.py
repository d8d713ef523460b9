# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The life of a QUIC connection between the socket and its session, as a table.
"""

from __future__ import annotations

from enum import IntEnum

__all__ = ["LIFE", "Life"]


class Life(IntEnum):
    """
    The life of a connection.
    """

    #: The handshake is under way, and an upgrade waits for it.
    HANDSHAKE = 0
    #: The peer has proven its identity, and there is a session.
    RUNNING = 1
    #: The session has closed; what the peer takes now is still sent.
    LEAVING = 2
    #: The backend was asked to close the connection, and has not reported the end.
    CLOSING = 3
    #: The backend has reported the end.
    LOST = 4


#: The next state, and the effect of the transition, for each state and event.  An event
#: that is not in the table changes nothing.
LIFE: dict[tuple[Life, str], tuple[Life, str]] = {
    (Life.HANDSHAKE, "secure"): (Life.RUNNING, "hand the session over"),
    (Life.HANDSHAKE, "abort"): (Life.CLOSING, "close at once"),
    (Life.HANDSHAKE, "lose"): (Life.LOST, "fail the upgrade"),
    (Life.RUNNING, "close"): (Life.LEAVING, "send what waits"),
    (Life.RUNNING, "abort"): (Life.CLOSING, "close at once"),
    (Life.RUNNING, "lose"): (Life.LOST, "end the session"),
    (Life.LEAVING, "abort"): (Life.CLOSING, "close at once"),
    (Life.LEAVING, "lose"): (Life.LOST, "end the session"),
    (Life.CLOSING, "lose"): (Life.LOST, "end the session"),
}

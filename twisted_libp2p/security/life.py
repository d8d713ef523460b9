# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The states of a secure transport.
"""

from __future__ import annotations

from enum import Enum

from twisted_libp2p.pacing import Layer, stateAfter

__all__ = ["ENDING", "LIFE", "Life", "LivingLayer"]


class Life(Enum):
    """
    The state of a secure transport.
    """

    # Enum's own is a function of Python, and states are keys of a table.
    __hash__ = object.__hash__

    #: It has no transport below.
    NEW = "new"
    #: The handshake is under way.
    SHAKING = "shaking hands"
    OPEN = "open"
    #: Our direction has ended, by an announcement; the peer still sends.
    SHUT = "shut"
    #: Our side closes: written bytes, and perhaps an announcement, are on their way.
    CLOSING = "closing"
    #: The last bytes are on their way; nothing is read.
    HANGING_UP = "hanging up"
    #: The transport below is being dropped.
    ABORTED = "aborted"
    LOST = "lost"


_NEW, _SHAKING, _OPEN, _SHUT, _CLOSING, _HANGING_UP, _ABORTED, _LOST = Life

#: The next state, and the effect of the transition, for each state and event.  An event
#: that is not in the table changes no state.
LIFE: dict[tuple[Life, str], tuple[Life, str]] = {
    (_NEW, "connect"): (_SHAKING, "start the handshake"),
    (_SHAKING, "secure"): (_OPEN, "connect the application"),
    (_CLOSING, "secure"): (_CLOSING, "connect the application"),
    (_OPEN, "shut"): (_SHUT, "announce"),
    (_SHAKING, "close"): (_CLOSING, "send, close below"),
    (_OPEN, "close"): (_CLOSING, "send, announce or close below"),
    (_SHUT, "close"): (_CLOSING, "close below"),
    # A refused or violated protocol, or the announced end of the peer.
    (_SHAKING, "hang up"): (_HANGING_UP, "send the farewell"),
    (_OPEN, "hang up"): (_HANGING_UP, "send the farewell"),
    (_SHUT, "hang up"): (_HANGING_UP, "send the farewell"),
    (_CLOSING, "hang up"): (_HANGING_UP, "send the farewell"),
    (_SHAKING, "abort"): (_ABORTED, "drop"),
    (_OPEN, "abort"): (_ABORTED, "drop"),
    (_SHUT, "abort"): (_ABORTED, "drop"),
    (_CLOSING, "abort"): (_ABORTED, "drop"),
    (_HANGING_UP, "abort"): (_ABORTED, "drop"),
    (_SHAKING, "lose"): (_LOST, "report"),
    (_OPEN, "lose"): (_LOST, "report"),
    (_SHUT, "lose"): (_LOST, "report"),
    (_CLOSING, "lose"): (_LOST, "report"),
    (_HANGING_UP, "lose"): (_LOST, "report"),
    (_ABORTED, "lose"): (_LOST, "report"),
}

# The states in which our side has begun to close.
_LEAVING = frozenset((_CLOSING, _HANGING_UP, _ABORTED))

#: The states in which our direction ends, or has ended.
ENDING = frozenset((_SHUT, _CLOSING))


class LivingLayer(Layer):
    """
    A layer that goes through the states of L{LIFE}.

    @ivar disconnecting: whether our side has begun to close.
    """

    disconnecting: bool = False
    _life = Life.NEW

    def _advance(self, event: str) -> None:
        """
        Go to the next state.
        """
        self._life = stateAfter(LIFE, self._life, event)
        # A fact of its own, since each read and each write look at it.
        self.disconnecting = self.disconnecting or self._life in _LEAVING

    def stopProducing(self) -> None:
        """
        Close, since nothing more is wanted.
        """
        self.loseConnection()

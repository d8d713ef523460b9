# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Handshakes that go through the states of a table.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any, ClassVar

from twisted_libp2p.errors import HandshakeFailed, InvalidInput, ProtocolViolation
from twisted_libp2p.security.machine import HandshakeMachine
from twisted_libp2p.security.messages import MessageBuffer

__all__ = ["Effects", "MessageHandshake", "SteppedHandshake"]

#: The methods of the effects, by their names.
Effects = Mapping[str, Callable[[Any, bytes], bytes]]


class SteppedHandshake(HandshakeMachine):
    """
    A handshake whose states and events are a table.

    The value of a state that awaits a message is the name of that message, which is
    also its event.  Wrong bytes are the event C{"failure"} of each of these states.

    @cvar table: the next state, and the effect of the transition, for each state and
        event.
    @cvar effects: the methods of the effects: each takes the message of the event and
        returns the bytes to send.
    @ivar state: the state.
    """

    table: ClassVar[Mapping[tuple[Any, str], tuple[Any, str | None]]]
    effects: ClassVar[Effects]
    state: Enum

    def happened(self, event: str, message: bytes = b"") -> bytes:
        """
        Apply the effect of an event, and go to the next state.

        @return: the bytes to send.
        """
        state, effect = self.table[self.state, event]
        answer = b"" if effect is None else self.effects[effect](self, message)
        self.state = state
        return answer

    def receive(self, data: bytes) -> bytes:
        """
        Process bytes of the peer.  A machine that has failed takes none.

        @return: our next messages, or nothing.
        @raise HandshakeFailed: the peer did not follow the protocol; L{PeerMismatch
            <twisted_libp2p.errors.PeerMismatch>} if it is not the expected peer.
        """
        if (self.state, "failure") not in self.table:
            return b""
        try:
            return self._receive(data)
        except (InvalidInput, ProtocolViolation) as error:
            message = self.state.value
            self.happened("failure")
            raise HandshakeFailed(
                self.protocolID, f"the peer's {message}: {error}"
            ) from error
        except HandshakeFailed:
            self.happened("failure")
            raise

    @abstractmethod
    def _receive(self, data: bytes) -> bytes:
        """
        Process bytes of the peer.

        @return: our next messages, or nothing.
        """


class MessageHandshake(SteppedHandshake):
    """
    A handshake of messages that are each preceded by their length.  It holds at most
    one message and one read of the transport.
    """

    _buffer: MessageBuffer

    @abstractmethod
    def _sizes(self) -> tuple[int, int]:
        """
        Return the minimum and maximum size of the awaited message, in bytes.
        """

    def _receive(self, data: bytes) -> bytes:
        self._buffer.feed(data)
        answer = b""
        while self.secured is None:
            message = self._buffer.take(*self._sizes())
            if message is None:
                return answer
            answer += self.happened(self.state.value, message)
        self.trailing = self._buffer.rest()
        return answer

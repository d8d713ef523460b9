# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The messages between a supervisor and a worker, on two pipes: objects in JSON, each
after its length.

The supervisor sends C{{"ask": NUMBER, "about": SUBJECT}} with further arguments, and
C{{"leave": "one"}} or C{{"leave": "all"}} to end this worker or all of them; the worker
C{{"answer": NUMBER, "is": ...}}, and once C{{"ready": [ADDRESS, ...]}}.

A worker that meets a peer with a ticket sends C{{"question": NUMBER, "peer": ID,
"secret": HEX, "name": NAME}}; the supervisor C{{"reply": NUMBER, "is": REFUSAL}}, and
C{{"paired": true}} to all workers if there is no refusal.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final

from twisted.internet.protocol import connectionDone
from twisted.protocols.basic import Int32StringReceiver
from twisted.python.failure import Failure

__all__ = ["Channel", "packed"]

#: The most bytes of a message: the metrics and the connections of one process.
LONGEST: Final = 64 * 1024 * 1024


def packed(message: dict[str, Any]) -> bytes:
    """
    Return a message with its length.
    """
    data = json.dumps(message).encode()
    return len(data).to_bytes(4, "big") + data


class Channel(Int32StringReceiver):
    """
    One end of the pipes.
    """

    MAX_LENGTH = LONGEST

    def __init__(
        self,
        received: Callable[[dict[str, Any]], object],
        lost: Callable[[], object] = lambda: None,
    ) -> None:
        """
        @param received: called with each message.
        @param lost: called when the other process has ended.
        """
        super().__init__()
        self._received = received
        self._lost = lost

    def stringReceived(self, string: bytes) -> None:
        """
        Handle a message.
        """
        self._received(json.loads(string))

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        Report the end of the other process.
        """
        self._lost()

    def send(self, message: dict[str, Any]) -> None:
        """
        Send a message.
        """
        assert self.transport is not None
        self.transport.write(packed(message))

# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The life of a WebTransport session on our side, as a table.
"""

from __future__ import annotations

from enum import IntEnum

__all__ = ["STEPS", "Step"]


class Step(IntEnum):
    """
    How far a session has come.
    """

    #: HTTP/3 runs, and nobody has asked for a session.
    HTTP = 0
    #: There is a session; its first stream, that of the dialer, is for the proofs.
    SESSION = 1
    #: The handshake of Noise goes on, on that stream.
    NOISE = 2
    #: The peer has proven its identity: each further stream is one of libp2p.
    READY = 3
    #: The session has ended.
    ENDED = 4


#: The next step, and the effect of the transition, for each step and event.  An event
#: that is not in the table changes nothing.
STEPS: dict[tuple[Step, str], tuple[Step, str]] = {
    (Step.HTTP, "request"): (Step.SESSION, "answer 200"),
    (Step.HTTP, "answer"): (Step.SESSION, "open the first stream"),
    (Step.SESSION, "first stream"): (Step.NOISE, "begin Noise"),
    (Step.NOISE, "proof"): (Step.READY, "report the peer, and its streams"),
    (Step.HTTP, "end"): (Step.ENDED, "report the end"),
    (Step.SESSION, "end"): (Step.ENDED, "report the end"),
    (Step.NOISE, "end"): (Step.ENDED, "report the end"),
    (Step.READY, "end"): (Step.ENDED, "report the end"),
}

# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Targets: both dialects of the negotiation, both sides.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.fuzz.target import Machine, drive, sameHoweverCut, target
from twisted_libp2p.errors import NegotiationFailed, ProtocolViolation
from twisted_libp2p.negotiation import bootstrap, multistream

_SPOKEN = ("/noise", "/tls/1.0.0", "/a")
_ERRORS = (NegotiationFailed, ProtocolViolation)


def _agree(data: bytes, build: Callable[[], Machine]) -> None:
    """
    Whatever comes, what is agreed is spoken by both sides.
    """

    def agreed(machine: Any) -> object:
        return machine.agreed

    outcome = sameHoweverCut(
        data, lambda pieces: drive(build(), pieces, agreed, _ERRORS)
    )
    if len(outcome) == 3:
        assert outcome[1] in _SPOKEN


@target
def bootstrapInitiator(data: bytes) -> None:
    """
    The side that asks, in the draft's dialect.
    """
    _agree(data, lambda: bootstrap.Initiator("/noise"))


@target
def bootstrapReceiver(data: bytes) -> None:
    """
    The side that is asked.
    """
    _agree(data, lambda: bootstrap.Receiver(_SPOKEN.__contains__))


@target
def multistreamInitiator(data: bytes) -> None:
    """
    The side that proposes, and asks when all was refused.
    """
    _agree(data, lambda: multistream.Initiator(_SPOKEN, header=True, ask=True))


@target
def multistreamResponder(data: bytes) -> None:
    """
    The side that answers.
    """
    _agree(data, lambda: multistream.Responder(_SPOKEN.__contains__, lambda: _SPOKEN))


@target
def listener(data: bytes) -> None:
    """
    The listener, which knows both dialects.
    """
    _agree(data, lambda: bootstrap.Listener(_SPOKEN.__contains__, lambda: _SPOKEN))


@target
def dialer(data: bytes) -> None:
    """
    The dialer of the draft's dialect.
    """
    _agree(data, lambda: bootstrap.Dialer(_SPOKEN))

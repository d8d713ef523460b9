# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Security: bytes of a transport go in, bytes of an authenticated peer come out.

Each security protocol is an L{ISecurity<twisted_libp2p.interfaces.ISecurity>} in a room
of its own, with two machines without I/O: a L{HandshakeMachine} and the L{Channel} that
comes out of it.  All share the wrapper that carries the machines, L{SecureTransport}.
"""

from __future__ import annotations

from twisted_libp2p.security.factory import SecureFactory
from twisted_libp2p.security.machine import Channel, HandshakeMachine
from twisted_libp2p.security.wrapper import SecureTransport

__all__ = [
    "Channel",
    "HandshakeMachine",
    "SecureFactory",
    "SecureTransport",
]

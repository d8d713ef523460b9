# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The whole of a raw peer: from a socket to a session, from either end.
"""

from __future__ import annotations

import os
import socket
import time
from typing import Any

from tests.attacks.raw import mplex, multistream, noise, tls, yamux
from tests.attacks.raw.identity import Identity, base58
from tests.attacks.raw.pipe import PATIENCE, TCP, Ended, connectAs

__all__ = ["IDENTIFY", "PING", "PUSH", "Peer", "Trap", "pingOn"]

PING = "/ipfs/ping/1.0.0"
IDENTIFY = "/ipfs/id/1.0.0"
PUSH = "/ipfs/id/push/1.0.0"


class Peer:
    """
    Somebody who connects.

    @ivar identity: who.
    @ivar source: the address to come from; None for what the system takes.
    """

    def __init__(
        self, identity: Identity | None = None, source: str | None = None
    ) -> None:
        self.identity = identity or Identity()
        self.source = source

    def connect(self, address: tuple[str, int]) -> TCP:
        """
        Connect, and say nothing.
        """
        return connectAs(self.source, address)

    def secure(
        self,
        address: tuple[str, int],
        security: str = noise.PROTOCOL_ID,
        muxer: str = yamux.PROTOCOL_ID,
    ) -> noise.Noise | tls.TLS:
        """
        Connect, and shake hands.
        """
        pipe = self.connect(address)
        multistream.choose(pipe, security)
        if security == noise.PROTOCOL_ID:
            return noise.dial(pipe, self.identity, (muxer,))
        return tls.handshake(
            pipe,
            [tls.Certificate(self.identity)],
            alpn=(muxer.encode(), b"libp2p"),
        )

    def multiplex(self, secure: noise.Noise | tls.TLS, muxer: str) -> None:
        """
        Agree on a muxer, unless the handshake has.
        """
        if muxer not in secure.muxers:
            multistream.choose(secure, muxer)

    def dial(
        self, address: tuple[str, int], security: str = noise.PROTOCOL_ID
    ) -> yamux.Session:
        """
        Connect, up to a session of yamux.
        """
        secure = self.secure(address, security)
        self.multiplex(secure, yamux.PROTOCOL_ID)
        return yamux.Session(secure)

    def dialMplex(self, address: tuple[str, int]) -> mplex.Session:
        """
        Connect, up to a session of mplex.
        """
        secure = self.secure(address, muxer=mplex.PROTOCOL_ID)
        self.multiplex(secure, mplex.PROTOCOL_ID)
        return mplex.Session(secure)


def pingOn(session: yamux.Session | mplex.Session) -> float:
    """
    Ping on a stream of its own.

    @return: seconds from the proposal to the answer.
    """
    began = time.monotonic()
    stream: Any = session.open(PING)
    sent = os.urandom(32)
    stream.send(sent)
    if stream.exactly(32) != sent:
        raise Ended("wrong")
    stream.finish()
    return time.monotonic() - began


class Trap:
    """
    Somebody who listens.
    """

    def __init__(
        self, identity: Identity | None = None, host: str = "127.0.0.1"
    ) -> None:
        self.identity = identity or Identity()
        self.host = host
        self.socket = socket.create_server((host, 0))
        self.socket.settimeout(PATIENCE)
        self.port: int = self.socket.getsockname()[1]

    def address(self, identity: Identity | None = None) -> str:
        """
        @param identity: who is said to listen here; ourselves, in truth.
        @return: the multiaddr to dial.
        """
        who = base58((identity or self.identity).peerID)
        return f"/ip4/{self.host}/tcp/{self.port}/p2p/{who}"

    def accept(self) -> TCP:
        """
        Wait for somebody.
        """
        return TCP(self.socket.accept()[0])

    def agree(self, security: str) -> TCP:
        """
        Wait for somebody who proposes a security protocol, as the first one or
        when others were refused: on the same connection, or on another.
        """
        while True:
            pipe = self.accept()
            try:
                multistream.answer(pipe, security)
                return pipe
            except (Ended, ValueError):
                # What came behind a proposal was no message.
                pipe.close()

    def secure(self) -> noise.Noise:
        """
        Wait for somebody, and shake hands.
        """
        pipe = self.agree(noise.PROTOCOL_ID)
        return noise.accept(pipe, self.identity, (yamux.PROTOCOL_ID,))

    def close(self) -> None:
        """
        Listen no more.
        """
        self.socket.close()

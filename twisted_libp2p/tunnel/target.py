# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The texts of tunnels: C{tcp:2222=PEER/ssh/1.0.0}.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from twisted_libp2p.errors import ConfigurationError
from twisted_libp2p.negotiation.protocolids import proposals

__all__ = ["TunnelText", "protocolOf", "splitTarget"]

# The address of a peer with its id, which is followed by a protocol.
_ADDRESS = re.compile(r"(/.*/p2p/[A-Za-z0-9]+|/p2p/[A-Za-z0-9]+)(/.*)")


class TunnelText(NamedTuple):
    """
    The parts of a tunnel.

    @ivar local: the server endpoint.
    @ivar peer: the peer: an id, an address or a name.
    @ivar protocol: the protocol id.
    """

    local: str
    peer: str
    protocol: str

    @classmethod
    def parse(cls, text: str) -> TunnelText:
        """
        Parse a text such as C{tcp:2222=12D3KooW.../ssh/1.0.0}.

        @raise ConfigurationError: it is malformed; the text says what would be right.
        """
        # An endpoint may have equals signs of its own: interface=127.0.0.1.
        local, equals, target = text.rpartition("=")
        if not equals or not local or not target:
            raise ConfigurationError(
                f"{text}: it has to be ENDPOINT=PEER/PROTOCOL, such as"
                " tcp:2222=12D3KooW.../ssh/1.0.0"
            )
        return cls(local, *splitTarget(target))


def splitTarget(text: str) -> tuple[str, str]:
    """
    Separate a peer from the protocol after it.

    @param text: such as C{12D3KooW.../ssh/1.0.0}, C{home/ssh/1.0.0}, or an address with
        its peer id and a protocol.
    @raise ConfigurationError: one of both is missing.
    """
    if text.startswith("/"):
        found = _ADDRESS.fullmatch(text)
        peer, protocol = found.groups() if found is not None else ("", "")
    else:
        peer, slash, rest = text.partition("/")
        protocol = slash + rest
    if not peer or len(protocol) < 2:
        raise ConfigurationError(
            f"{text}: it has to be a peer and a protocol, such as 12D3KooW.../ssh/1.0.0"
        )
    return peer, protocolOf(protocol)


def protocolOf(text: str) -> str:
    """
    Check a protocol id.

    @raise ConfigurationError: it is not valid.
    """
    (protocol,) = proposals(text)
    return protocol

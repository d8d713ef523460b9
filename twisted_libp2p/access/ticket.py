# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tickets: the text by which a user lets another peer pair with a node.
"""

from __future__ import annotations

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from typing import Final

from twisted_libp2p.access.book import MAX_ADDRESSES
from twisted_libp2p.address import Multiaddr
from twisted_libp2p.errors import InvalidInput
from twisted_libp2p.identity import PeerID
from twisted_libp2p.wire.frames import FrameBuffer, delimit

__all__ = ["MAX_TICKET", "PREFIX", "SECRET_SIZE", "Ticket"]

#: Bytes of a secret.
SECRET_SIZE: Final = 16

#: Maximum number of characters of a ticket.
MAX_TICKET: Final = 4096

#: The beginning of a ticket.
PREFIX: Final = "libp2p1-"

# The maximum size of an address, in bytes.
_MAX_PART: Final = 512

# The maximum size of all parts in bytes, which base64 makes longer by a third.
_MAX_DATA: Final = 3000


@dataclass(frozen=True)
class Ticket:
    """
    An invitation.  Whoever has it can use it, once: it is to be sent like a password.

    @ivar peer: the peer that has made it.
    @ivar secret: proves to that peer that the ticket is used.
    @ivar addresses: where the peer can be dialed, without its id.
    """

    peer: PeerID
    secret: bytes
    addresses: tuple[Multiaddr, ...] = ()

    def __repr__(self) -> str:
        # The secret would end up in logs.
        return f"<Ticket of {self.peer}>"

    def toText(self) -> str:
        """
        Return the text of the ticket, without the addresses for which it has no room.
        """
        data = delimit(self.peer.toBytes()) + delimit(self.secret)
        for each in self.addresses[:MAX_ADDRESSES]:
            part = each.toBytes()
            if len(part) <= _MAX_PART and len(data) + len(part) < _MAX_DATA:
                data += delimit(part)
        check = binascii.crc32(data).to_bytes(4, "big")
        return PREFIX + urlsafe_b64encode(check + data).rstrip(b"=").decode()

    @classmethod
    def parse(cls, text: str) -> Ticket:
        """
        Parse a ticket.

        @raise InvalidInput: the text is malformed, or not complete.
        """
        text = text.strip()
        if not text.startswith(PREFIX) or len(text) > MAX_TICKET:
            raise InvalidInput(f"not a ticket: it begins with {PREFIX}")
        encoded = text.removeprefix(PREFIX).encode("ascii", "replace")
        try:
            data = urlsafe_b64decode(encoded + b"=" * (-len(encoded) % 4))
        except ValueError:
            raise InvalidInput("the ticket is not complete") from None
        if binascii.crc32(data[4:]).to_bytes(4, "big") != data[:4]:
            raise InvalidInput("the ticket is not complete, or has a typing error")
        frames = FrameBuffer(_MAX_PART)
        frames.feed(data[4:])
        parts = list(frames)
        if (
            len(parts) < 2
            or len(parts) > 2 + MAX_ADDRESSES
            or len(parts[1]) != SECRET_SIZE
            or frames.trailingData
        ):
            raise InvalidInput("the ticket is malformed")
        peer, secret, *addresses = parts
        return cls(
            PeerID.fromBytes(peer),
            secret,
            tuple(Multiaddr.fromBytes(each) for each in addresses),
        )

# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Invitations that a node has made: each secret works once.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Final

from twisted_libp2p.access.ticket import SECRET_SIZE
from twisted_libp2p.errors import ConfigurationError
from twisted_libp2p.identity import PeerID

__all__ = ["LIFETIME", "MAX_INVITES", "Invites"]

#: Seconds for which an invitation can be used.
LIFETIME: Final = 24 * 3600.0

#: Number of invitations that are kept at once.
MAX_INVITES: Final = 64


class Invites:
    """
    The invitations of a node, by the hashes of their secrets.  They end with the
    process: a ticket does not survive a restart.
    """

    def __init__(self) -> None:
        # The end of each, and the peer that has used it.
        self._made: dict[bytes, tuple[float, PeerID | None]] = {}

    def __len__(self) -> int:
        """
        Return the number of invitations that can still be used.
        """
        return sum(user is None for _, user in self._made.values())

    def __contains__(self, secret: bytes) -> bool:
        """
        Check whether an invitation was made, and is kept still.
        """
        return sha256(secret).digest() in self._made

    def make(self, secret: bytes, now: float, lifetime: float = LIFETIME) -> None:
        """
        Make an invitation.

        @param secret: random bytes.
        @param now: the time, in seconds.
        @param lifetime: seconds for which it can be used.
        @raise ConfigurationError: there are too many.
        """
        assert len(secret) == SECRET_SIZE
        self._forget(now)
        if len(self._made) >= MAX_INVITES:
            raise ConfigurationError(
                f"there are {MAX_INVITES} invitations already; each ends after a day"
            )
        self._made[sha256(secret).digest()] = now + lifetime, None

    def use(
        self, secret: bytes, peer: PeerID, now: float, again: bool = True
    ) -> str | None:
        """
        Use an invitation.

        @param again: whether the peer that has used it may do so again, as it does if
            the answer was lost.
        @return: None if it is valid, and is used up now; otherwise the reason to refuse
            the peer.
        """
        self._forget(now)
        key = sha256(secret).digest()
        if key not in self._made:
            return "the ticket is unknown here, or too old"
        end, user = self._made[key]
        if user is not None and not (again and user == peer):
            return f"the ticket was used already, by {user}"
        self._made[key] = end, peer
        return None

    def _forget(self, now: float) -> None:
        """
        Drop the invitations that have ended.
        """
        self._made = {key: each for key, each in self._made.items() if each[0] > now}

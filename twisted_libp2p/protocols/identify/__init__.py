# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
C{/ipfs/id/1.0.0} and C{/ipfs/id/push/1.0.0}: peers describe themselves
(libp2p/specs, identify/README.md).

Each side asks on every new connection; a side whose protocols or addresses change
pushes its new description to the peers that accept pushes.  Newly stated facts replace
older ones; facts that a message does not mention stay.
"""

from twisted_libp2p.protocols.identify.messages import (
    PROTOCOL_ID,
    PUSH_PROTOCOL_ID,
)
from twisted_libp2p.protocols.identify.service import IdentifyService

__all__ = ["PROTOCOL_ID", "PUSH_PROTOCOL_ID", "IdentifyService"]

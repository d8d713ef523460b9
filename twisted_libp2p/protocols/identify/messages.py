# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The ids of the protocols of identify.
"""

__all__ = ["PROTOCOL_ID", "PUSH_PROTOCOL_ID"]

PROTOCOL_ID = "/ipfs/id/1.0.0"
PUSH_PROTOCOL_ID = "/ipfs/id/push/1.0.0"

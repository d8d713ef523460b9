# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Contexts and bytes of hostile peers.
"""

from __future__ import annotations

from OpenSSL import SSL

from tests.security.tls.foreign import makeContext
from tests.security.tls.forgery import forge

__all__ = ["GARBAGE", "RECORD", "unbelieving"]

# No record that the peer has sealed.
GARBAGE = b"\x17\x03\x03\x00\x40" + bytes(64)

# The largest content of a record.
RECORD = 2**14


def unbelieving() -> SSL.Context:
    """
    Make a context that refuses every certificate.
    """
    context = makeContext(forge())
    context.set_verify(
        SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, lambda *_: False
    )
    return context

# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Who a peer is: keys, the peer ids made of them, and what they sign.

Bytes and text from files, users and peers enter; keys and ids that are
well-formed leave.  What is refused is told by the L{InvalidInput
<twisted_libp2p.errors.InvalidInput>} errors.

See libp2p/specs, peer-ids/peer-ids.md and RFC/0002-signed-envelopes.md.
"""

from __future__ import annotations

from twisted_libp2p.identity.envelope import Envelope
from twisted_libp2p.identity.identity import Identity
from twisted_libp2p.identity.keys import KeyType, PrivateKey, PublicKey
from twisted_libp2p.identity.peerid import PeerID

__all__ = ["Envelope", "Identity", "KeyType", "PeerID", "PrivateKey", "PublicKey"]

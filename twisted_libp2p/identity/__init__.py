# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The identities of peers: keys, the peer ids made of them, and signed envelopes.

Bytes and text from files, users and peers come in; well-formed keys and ids go out.
Anything else raises one of the L{InvalidInput<twisted_libp2p.errors.InvalidInput>}
errors.

See libp2p/specs, peer-ids/peer-ids.md and RFC/0002-signed-envelopes.md.
"""

from __future__ import annotations

from twisted_libp2p.identity.envelope import Envelope
from twisted_libp2p.identity.identity import Identity
from twisted_libp2p.identity.keys import KeyType, PrivateKey, PublicKey
from twisted_libp2p.identity.peerid import PeerID

__all__ = ["Envelope", "Identity", "KeyType", "PeerID", "PrivateKey", "PublicKey"]

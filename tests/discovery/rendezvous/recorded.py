# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Messages of Waku's fork of go-libp2p-rendezvous, on go-libp2p 0.48, as they were sent.
"""

from __future__ import annotations

from twisted_libp2p.identity import Identity, PrivateKey

__all__ = ["ANSWER", "DISCOVER", "IDENTITY", "REFUSED", "REGISTER", "REGISTERED"]

#: The peer that has sent them: its seed is 32 zeros.
IDENTITY = Identity(
    PrivateKey.fromBytes(
        b"\x08\x01\x12\x40"
        + bytes(32)
        + bytes.fromhex(
            "3b6a27bcceb6a42d62a3a8d02a6f0d73653215771de243a63ac048a18b59da29"
        )
    )
)

#: It registers as C{interop}.
REGISTER = bytes.fromhex(
    "080012b7010a07696e7465726f7012a8010a24080112203b6a27bcceb6a42d62a3a8d02a6f0d"
    "73653215771de243a63ac048a18b59da29120203011a3a0a260024080112203b6a27bcceb6a4"
    "2d62a3a8d02a6f0d73653215771de243a63ac048a18b59da2910d58ab6d8061a0a0a08047f00"
    "000106855d2a4022d2607147dfe941fd7931f2aef2127c0c9def56460f05d1b192d227aa0b6f"
    "6c678130fef9eb13213501896809ad28ab7ce826a122edc57407492717cf6dc80718a038"
)

#: It asks for the peers of C{interop}.
DISCOVER = bytes.fromhex("08032a0b0a07696e7465726f701064")

#: Its answer to a registration in the layout of rust-libp2p.
REFUSED = bytes.fromhex("08011a1708651213696e76616c69642070656572207265636f7264")

#: Its answer to a registration that it can read.
REGISTERED = bytes.fromhex("08011a05080018a038")

#: Its answer to a search: the registration of L{IDENTITY} at another port.
ANSWER = bytes.fromhex(
    "080432bf010ab7010a07696e7465726f7012a8010a24080112203b6a27bcceb6a42d62a3a8d0"
    "2a6f0d73653215771de243a63ac048a18b59da29120203011a3a0a260024080112203b6a27bc"
    "ceb6a42d62a3a8d02a6f0d73653215771de243a63ac048a18b59da2910f68bb6d8061a0a0a08"
    "047f0000010689312a40b5424ea3db9916135552bf9af27d19445e16eb9f35c97e10dc2718b6"
    "7b98f1447abf58e6e68b2907b931e9b163aa7b2638f7f673da1a818b589121955b2ceb0818a0"
    "381201311800"
)

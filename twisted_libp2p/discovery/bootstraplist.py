# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Reading lists of bootstrap peers.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Final

from twisted_libp2p.address import Multiaddr
from twisted_libp2p.errors import ConfigurationError, InvalidMultiaddr

__all__ = ["PUBLIC", "bootstrapPeers"]

#: The word that stands for the list of the public network.
PUBLIC: Final = "public"

#: The bootstrap peers of the public network of IPFS, as in boxo 0.42
#: (autoconf/fallbacks.go).
_PUBLIC: Final = (
    "/dnsaddr/bootstrap.libp2p.io/p2p/QmNnooDu7bfjPFoTZYxMNLWUQJyrVwtbZg5gBMjTezGAJN",
    "/dnsaddr/bootstrap.libp2p.io/p2p/QmQCU2EcMqAqQPR2i9bChDtGNJchTbq5TbXJJ16u19uLTa",
    "/dnsaddr/bootstrap.libp2p.io/p2p/QmbLHAnMoJPWSCR5Zhtx6BHJX9KiKNN6tpvbUcqanj75Nb",
    "/dnsaddr/bootstrap.libp2p.io/p2p/QmcZf59bWwK5XFi76CZX8cbJ4BhTzzA3gU1ZjYZcYW3dwt",
    "/dnsaddr/va1.bootstrap.libp2p.io"
    "/p2p/12D3KooWKnDdG3iXw9eTFijk3EWSunZcFi54Zka4wmtqtt6rPxc8",
    "/ip4/104.131.131.82/tcp/4001/p2p/QmaCpDMGvV2BGHeYERUEnRQAwe3N8SzbUtfsmvsqQLuvuJ",
    "/ip4/104.131.131.82/udp/4001/quic-v1"
    "/p2p/QmaCpDMGvV2BGHeYERUEnRQAwe3N8SzbUtfsmvsqQLuvuJ",
)

#: Maximum size of a file with a list, in bytes.
MAX_FILE: Final = 256 * 1024


def bootstrapPeers(text: str, option: str = "--bootstrap ") -> list[Multiaddr]:
    """
    Read the value of an option.

    @param text: the address of a peer, with its id at the end; a C{/dnsaddr} name;
        C{public} for the list of the public network; or the path of a file with one of
        these in each line, and comments after C{#}.
    @param option: the name of the option before its value, for errors.
    @return: the addresses.
    @raise ConfigurationError: it is something else.
    """
    if text == PUBLIC:
        return [Multiaddr(each) for each in _PUBLIC]
    if os.path.isfile(text):
        return list(_readFile(text, option))
    try:
        return [_peer(text)]
    except ConfigurationError as error:
        raise ConfigurationError(f"{option}{error}") from None


def _peer(text: str) -> Multiaddr:
    """
    Read the address of one peer, or a name that leads to some.
    """
    try:
        address = Multiaddr(text)
    except InvalidMultiaddr as error:
        raise ConfigurationError(
            f"{text}: it is neither a file, nor {PUBLIC!r}, nor an address: {error}"
        ) from None
    if address.peerID is None and address.names != ("dnsaddr",):
        raise ConfigurationError(
            f"{text}: it has to be an address that ends in /p2p/ and the id of the peer"
        )
    return address


def _readFile(path: str, option: str) -> Iterator[Multiaddr]:
    """
    Read a file.
    """
    try:
        if os.path.getsize(path) > MAX_FILE:
            raise ConfigurationError(
                f"{option}{path}: it has more than {MAX_FILE} bytes"
            )
        with open(path, encoding="utf-8-sig") as file:
            lines = file.readlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{option}{path}: {error}") from None
    found = False
    for number, line in enumerate(lines, 1):
        text = line.partition("#")[0].strip()
        if not text:
            continue
        found = True
        if text == PUBLIC:
            yield from bootstrapPeers(PUBLIC, option)
            continue
        try:
            yield _peer(text)
        except ConfigurationError as error:
            raise ConfigurationError(
                f"{option}{path}, line {number}: {error}"
            ) from None
    if not found:
        raise ConfigurationError(f"{option}{path}: it names no peer")

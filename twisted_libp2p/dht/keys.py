# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The keys of content and of values in text.
"""

from __future__ import annotations

from typing import Final

from twisted_libp2p.errors import InvalidInput
from twisted_libp2p.identity import PeerID
from twisted_libp2p.wire import multibase, varint

__all__ = ["multihashOf", "namespaceOf", "valueKeyOf"]

#: Maximum length of a CID in text.
_LONGEST: Final = 200

#: The namespaces whose keys end with a peer id, which is written as text.
_OF_PEERS: Final = ("pk", "ipns")

_EXAMPLE: Final = "bafybeihfg3d7rdltd43u3tfvncx7n5loqofbsobojcadtmokrljfthuc7y or Qm…"


def multihashOf(text: str) -> bytes:
    """
    Read a CID, of version 0 or 1, and return the multihash in it: the key under which
    the content is provided.

    @raise InvalidInput: it is not a CID.
    """
    try:
        if len(text) > _LONGEST:
            raise InvalidInput("it is too long")
        if text.startswith("Qm"):
            return _checked(multibase.decode("z" + text))
        cid = multibase.decode(text)
        version, offset = _number(cid, 0)
        _, offset = _number(cid, offset)
        if version != 1:
            raise InvalidInput(f"it has version {version}")
        return _checked(cid[offset:])
    except InvalidInput as error:
        raise InvalidInput(
            f"{text[:_LONGEST]!r} is not a CID, such as {_EXAMPLE}: {error}"
        ) from None


def _checked(multihash: bytes) -> bytes:
    """
    Check that a multihash has the length that it states.
    """
    _, offset = _number(multihash, 0)
    size, offset = _number(multihash, offset)
    if not size or len(multihash) != offset + size:
        raise InvalidInput("its hash has another length than it states")
    return multihash


def _number(data: bytes, offset: int) -> tuple[int, int]:
    """
    Read a varint.

    @return: the number, and the offset after it.
    """
    found = varint.decode(data, offset)
    if found is None:
        raise InvalidInput("it ends too early")
    return found


def valueKeyOf(text: str) -> bytes:
    """
    Read the key of a value: C{/pk/PEER}, C{/ipns/PEER}, or C{/NAMESPACE/...}.

    @raise InvalidInput: it is none of these.
    """
    name = namespaceOf(text)
    if name in _OF_PEERS:
        peer = PeerID.of(text.partition(f"/{name}/")[2])
        return f"/{name}/".encode() + peer.toBytes()
    return text.encode()


def namespaceOf(text: str) -> str:
    """
    Return the namespace of a key.

    @raise InvalidInput: it has none.
    """
    start, _, rest = text.partition("/")
    name, _, rest = rest.partition("/")
    if start or not name or not rest:
        raise InvalidInput(
            f"{text!r} is not the key of a value, such as /pk/12D3KooW… or"
            " /NAMESPACE/NAME"
        )
    return name

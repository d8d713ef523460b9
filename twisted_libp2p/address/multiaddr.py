# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Multiaddrs: how to reach a peer, one protocol after the other.

In text C{/ip4/192.0.2.1/tcp/4001/p2p/12D3Koo...}; in bytes each protocol is a
code and its value.  See multiformats/multiaddr and libp2p/specs,
addressing/README.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import total_ordering
from typing import Final, NamedTuple

from twisted_libp2p.address.protocols import BY_CODE, BY_NAME, Protocol
from twisted_libp2p.errors import InvalidInput, InvalidMultiaddr
from twisted_libp2p.identity import PeerID
from twisted_libp2p.wire import delimit, varint

__all__ = ["MAX_BYTES", "MAX_TEXT", "Component", "Multiaddr"]

# Far more than any address in use, and little enough to keep thousands; and the
# text that the worst of these has.
MAX_BYTES: Final = 1024
MAX_TEXT: Final = 8192


class Component(NamedTuple):
    """
    One protocol of a multiaddr, with its value.

    @ivar name: the name of the protocol.
    @ivar code: its number.
    @ivar value: the value in text; None for a protocol that has none.
    @ivar data: the value in bytes, without its length.
    """

    name: str
    code: int
    value: str | None
    data: bytes


@total_ordering
class Multiaddr:
    """
    An address: immutable, hashable, ordered by its bytes.

    It has the length of its components, and iterates over these.

    The empty address, which is false and has the text C{/}, is what is left
    when all was taken away; it cannot be parsed.
    """

    __slots__ = ("_components", "_encoded", "_text")

    _components: tuple[Component, ...]
    _encoded: bytes
    _text: str

    def __init__(self, text: str) -> None:
        """
        Read an address in text.  One slash at its end is allowed, and
        C{/ipfs/...} is C{/p2p/...}.

        @param text: at most L{MAX_TEXT} characters, for at most L{MAX_BYTES}
            bytes.
        @raise InvalidMultiaddr: this is not a multiaddr; the text says where.
        """
        self._set(_parseText(text))
        if len(self._encoded) > MAX_BYTES:
            raise InvalidMultiaddr(f"longer than {MAX_BYTES} bytes")

    @classmethod
    def fromBytes(cls, data: bytes) -> Multiaddr:
        """
        Read an address in bytes.

        @param data: at most L{MAX_BYTES} bytes.
        @raise InvalidMultiaddr: this is not a multiaddr; the text says where.
        """
        address = cls.__new__(cls)
        components = address._components = tuple(_parseBytes(data))
        # There is no other encoding of these components.
        address._encoded = bytes(data)
        address._text = _textOf(components)
        return address

    @classmethod
    def _of(cls, components: Iterable[Component]) -> Multiaddr:
        address = cls.__new__(cls)
        address._set(components)
        return address

    def _set(self, components: Iterable[Component]) -> None:
        self._components = tuple(components)
        encoded = bytearray()
        for _, code, _, data in self._components:
            encoded += varint.encode(code)
            encoded += delimit(data) if BY_CODE[code].size is None else data
        self._encoded = bytes(encoded)
        self._text = _textOf(self._components)

    def toBytes(self) -> bytes:
        """
        The address in bytes.
        """
        return self._encoded

    @property
    def names(self) -> tuple[str, ...]:
        """
        The names of the protocols.
        """
        return tuple(component.name for component in self._components)

    def value(self, name: str) -> str | None:
        """
        The value of the first protocol of this name.

        @return: None if there is no such protocol, or it has no value.
        """
        for component in self._components:
            if component.name == name:
                return component.value
        return None

    def startsWith(self, other: Multiaddr) -> bool:
        """
        Tell whether the first components are those of another address.
        """
        return self._components[: len(other)] == other._components

    def encapsulate(self, other: Multiaddr) -> Multiaddr:
        """
        This address with another one behind it.

        @raise InvalidMultiaddr: nothing can stand behind a path.
        """
        if self and other and BY_CODE[self._components[-1].code].path:
            raise InvalidMultiaddr(f"{self}: nothing can follow the path")
        return self._of(self._components + other._components)

    def decapsulate(self, other: Multiaddr) -> Multiaddr:
        """
        What stands before the last occurrence of another address; all of it if
        there is none.
        """
        size = len(other)
        for start in range(len(self) - size, -1, -1):
            if self._components[start : start + size] == other._components:
                return self._of(self._components[:start])
        return self

    @property
    def peerID(self) -> PeerID | None:
        """
        The peer at the end of the address, if it names one there.
        """
        if self and self._components[-1].name == "p2p":
            return PeerID.fromBytes(self._components[-1].data)
        return None

    def withPeer(self, peerID: PeerID) -> Multiaddr:
        """
        This address, of that peer: its id is at the end, in place of one that
        was there.

        @raise InvalidMultiaddr: nothing can stand behind a path.
        """
        component = Component("p2p", 421, str(peerID), peerID.toBytes())
        return self.withoutPeer().encapsulate(self._of((component,)))

    def withoutPeer(self) -> Multiaddr:
        """
        This address without the id of the peer at its end.
        """
        if not self._components or self._components[-1].name != "p2p":
            return self
        return self._of(self._components[:-1])

    def __iter__(self) -> Iterator[Component]:
        return iter(self._components)

    def __len__(self) -> int:
        return len(self._components)

    def __str__(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return f"<Multiaddr {self._text}>"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Multiaddr):
            return NotImplemented
        return self._encoded == other._encoded

    def __lt__(self, other: object) -> bool:
        if not isinstance(other, Multiaddr):
            return NotImplemented
        return self._encoded < other._encoded

    def __hash__(self) -> int:
        return hash(self._encoded)


def _textOf(components: Iterable[Component]) -> str:
    text = ""
    for name, code, value, _ in components:
        text += f"/{name}"
        if value is not None:
            text += value if BY_CODE[code].path else f"/{value}"
    return text or "/"


def _parseText(text: str) -> Iterator[Component]:
    if len(text) > MAX_TEXT:
        raise InvalidMultiaddr(f"longer than {MAX_TEXT} characters")
    if not text.startswith("/"):
        raise InvalidMultiaddr(f"{text!r} does not begin with a slash")
    parts = text.removesuffix("/").split("/")[1:]
    if not parts:
        raise InvalidMultiaddr(f"{text!r} is empty")
    position = 0
    while position < len(parts):
        name = parts[position]
        position += 1
        protocol = BY_NAME.get(name)
        if protocol is None:
            problem = f"unknown protocol {name!r}" if name else "an empty component"
            raise InvalidMultiaddr(f"{text!r}: {problem}")
        value = ""
        if protocol.path:
            value = "".join(f"/{part}" for part in parts[position:])
            position = len(parts)
        elif protocol.size != 0 and position < len(parts):
            value = parts[position]
            position += 1
        yield _component(protocol, value, repr(text))


def _component(protocol: Protocol, value: str, where: str) -> Component:
    if protocol.size == 0:
        return Component(protocol.name, protocol.code, None, b"")
    if not value:
        raise InvalidMultiaddr(f"{where}: /{protocol.name} needs a value")
    try:
        data = protocol.toBytes(value)
        # The one spelling that the bytes have.
        canonical = protocol.toText(data)
    except ValueError as error:
        raise InvalidMultiaddr(
            f"{where}: {value!r} is no value for /{protocol.name}: {error}"
        ) from None
    return Component(protocol.name, protocol.code, canonical, data)


def _parseBytes(data: bytes) -> Iterator[Component]:
    if len(data) > MAX_BYTES:
        raise InvalidMultiaddr(f"longer than {MAX_BYTES} bytes")
    if not data:
        raise InvalidMultiaddr("an empty multiaddr")
    offset = 0
    while offset < len(data):
        code, start = _number(data, offset)
        protocol = BY_CODE.get(code)
        if protocol is None:
            raise InvalidMultiaddr(f"unknown protocol code {code} at byte {offset}")
        size = protocol.size
        if size is None:
            size, start = _number(data, start)
            if not size:
                raise InvalidMultiaddr(f"/{protocol.name} needs a value")
        offset = start + size
        if offset > len(data):
            raise InvalidMultiaddr(f"the value of /{protocol.name} is cut off")
        if protocol.path and offset < len(data):
            raise InvalidMultiaddr(f"something follows the path of /{protocol.name}")
        value = bytes(data[start:offset])
        try:
            text = protocol.toText(value) if size else None
        except ValueError as error:
            raise InvalidMultiaddr(
                f"{value.hex()} is no value for /{protocol.name}: {error}"
            ) from None
        yield Component(protocol.name, code, text, value)


def _number(data: bytes, offset: int) -> tuple[int, int]:
    try:
        number = varint.decode(data, offset)
    except InvalidInput as error:
        raise InvalidMultiaddr(f"{error} at byte {offset}") from None
    if number is None:
        raise InvalidMultiaddr(f"cut off at byte {offset}")
    return number

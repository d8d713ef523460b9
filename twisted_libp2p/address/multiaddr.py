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

# How an IPv4 address and a TCP port are encoded, whatever these are: the code of
# the one in front, and that of the other.
_IP4, _TCP, _IP4_TCP_SIZE = 4, 6, 8
_IP4_TCP_NAMES: Final = ("ip4", "tcp")

# The codes of other things that addresses begin or end with.
_IP6: Final = 41
_P2P: Final = varint.encode(421)


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

    # Every connection has some addresses, of which most are kept and never looked
    # into; so the parts and the text are only made for who asks.
    __slots__ = ("_encoded", "_parts", "_text")

    _encoded: bytes
    _parts: tuple[Component, ...] | None
    _text: str | None

    def __init__(self, text: str) -> None:
        """
        Read an address in text.  One slash at its end is allowed, and
        C{/ipfs/...} is C{/p2p/...}.

        @param text: at most L{MAX_TEXT} characters, for at most L{MAX_BYTES}
            bytes.
        @raise InvalidMultiaddr: this is not a multiaddr; the text says where.
        """
        parts = self._parts = tuple(_parseText(text))
        encoded = self._encoded = b"".join(map(_encode, parts))
        self._text = None
        if len(encoded) > MAX_BYTES:
            raise InvalidMultiaddr(f"longer than {MAX_BYTES} bytes")

    @classmethod
    def fromBytes(cls, data: bytes) -> Multiaddr:
        """
        Read an address in bytes.

        @param data: at most L{MAX_BYTES} bytes.
        @raise InvalidMultiaddr: this is not a multiaddr; the text says where.
        """
        # There is no other encoding of these components; and any bytes at all are
        # an IPv4 address and a port.
        if len(data) == _IP4_TCP_SIZE and data[0] == _IP4 and data[5] == _TCP:
            return cls._of(bytes(data), None)
        return cls._of(bytes(data), tuple(_parseBytes(data)))

    @classmethod
    def _of(cls, encoded: bytes, parts: tuple[Component, ...] | None) -> Multiaddr:
        address = cls.__new__(cls)
        address._encoded = encoded
        address._parts = parts
        address._text = None
        return address

    @property
    def _components(self) -> tuple[Component, ...]:
        parts = self._parts
        if parts is None:
            parts = self._parts = tuple(_parseBytes(self._encoded))
        return parts

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
        if self._parts is None:
            return _IP4_TCP_NAMES
        return tuple([component.name for component in self._parts])

    @property
    def host(self) -> bytes | None:
        """
        The IP address that it begins with, be it behind a zone.

        @return: 4 or 16 bytes; None if it begins with something else.
        """
        encoded = self._encoded
        first = encoded[0] if encoded else None
        if first == _IP4:
            return encoded[1:5]
        if first == _IP6:
            return encoded[1:17]
        for component in self._components:
            if component.name != "ip6zone":
                return component.data if component.code in (_IP4, _IP6) else None
        return None

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
        return self._of(
            self._encoded + other._encoded, self._components + other._components
        )

    def decapsulate(self, other: Multiaddr) -> Multiaddr:
        """
        What stands before the last occurrence of another address; all of it if
        there is none.
        """
        size = len(other)
        for start in range(len(self) - size, -1, -1):
            if self._components[start : start + size] == other._components:
                return self._first(start)
        return self

    def _first(self, count: int) -> Multiaddr:
        """
        So many components of it.
        """
        parts = self._components
        size = len(b"".join(map(_encode, parts[count:])))
        return self._of(self._encoded[: len(self._encoded) - size], parts[:count])

    def withoutFirst(self) -> Multiaddr:
        """
        Give this address without its first component.
        """
        parts = self._components
        return self._of(b"".join(map(_encode, parts[1:])), parts[1:])

    @property
    def peerID(self) -> PeerID | None:
        """
        The peer at the end of the address, if it names one there.
        """
        if self._endsWithPeer:
            return PeerID.fromBytes(self._components[-1].data)
        return None

    @property
    def _endsWithPeer(self) -> bool:
        # Without these bytes there is no peer anywhere.
        return _P2P in self._encoded and self._components[-1].name == "p2p"

    def withPeer(self, peerID: PeerID) -> Multiaddr:
        """
        This address, of that peer: its id is at the end, in place of one that
        was there.

        @raise InvalidMultiaddr: nothing can stand behind a path.
        """
        component = Component("p2p", 421, str(peerID), peerID.toBytes())
        return self.withoutPeer().encapsulate(
            self._of(_encode(component), (component,))
        )

    def withoutPeer(self) -> Multiaddr:
        """
        This address without the id of the peer at its end.
        """
        return self._first(len(self) - 1) if self._endsWithPeer else self

    def __iter__(self) -> Iterator[Component]:
        return iter(self._components)

    def __len__(self) -> int:
        return len(self._components)

    def __bool__(self) -> bool:
        return bool(self._encoded)

    def __str__(self) -> str:
        text = self._text
        if text is None:
            text = self._text = _textOf(self._components)
        return text

    def __repr__(self) -> str:
        return f"<Multiaddr {self}>"

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


def _encode(component: Component) -> bytes:
    data = component.data
    if BY_CODE[component.code].size is None:
        data = delimit(data)
    return varint.encode(component.code) + data


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

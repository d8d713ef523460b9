# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Multiaddrs: the way to a peer, one protocol after the other.

In text C{/ip4/192.0.2.1/tcp/4001/p2p/12D3Koo...}; in bytes each protocol is a
code and its value.  See multiformats/multiaddr and libp2p/specs,
addressing/README.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from functools import lru_cache, total_ordering
from typing import Final, NamedTuple

from twisted_libp2p.address.paths import pathText, takePath
from twisted_libp2p.address.protocols import BY_CODE, BY_NAME, Protocol
from twisted_libp2p.address.usual import IP4, USUAL_SIZES, isUsual, usualText
from twisted_libp2p.errors import InvalidInput, InvalidMultiaddr
from twisted_libp2p.identity import PeerID
from twisted_libp2p.printable import printable
from twisted_libp2p.wire import delimit, varint

__all__ = ["MAX_BYTES", "MAX_COMPONENTS", "MAX_TEXT", "Component", "Multiaddr"]

# Far more than any address in use, and little enough to store thousands; and the size
# of the longest text of such an address.
MAX_BYTES: Final = 1024
MAX_TEXT: Final = 8192

# The longest addresses in use, to a WebTransport listener through a relay, have about
# ten.  A component takes some fifty times as much memory as its bytes.
MAX_COMPONENTS: Final = 16

# The sizes of values, by the codes of the protocols whose value may be any bytes.
_PLAIN: Final = {
    code: protocol.size
    for code, protocol in BY_CODE.items()
    if protocol.size == 0 or protocol.name in ("ip4", "ip6", "tcp", "udp", "memory")
}

# Other codes with which addresses begin or end.
_IP6: Final = 41
_P2P: Final = varint.encode(421)
_CIRCUIT: Final = varint.encode(290)

# An example for messages of errors.
_EXAMPLE: Final = "/ip4/192.0.2.1/tcp/4001"


class Component(NamedTuple):
    """
    One protocol of a multiaddr, with its value.

    @ivar name: the name of the protocol.
    @ivar code: its number.
    @ivar value: the value in text; None for a protocol without a value.
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

    Its length is the number of its components, over which it iterates.

    An address without components is false, and its text is C{/}.  It is left when all
    components were removed, and cannot be parsed.
    """

    # Peers name hundreds of addresses, and most are stored and never read; so an
    # address holds nothing but its bytes, which are bounded.
    __slots__ = ("_encoded",)

    _encoded: bytes

    def __init__(self, text: str) -> None:
        """
        Read an address in text.  One slash at its end is allowed, and
        C{/ipfs/...} is C{/p2p/...}.

        @param text: at most L{MAX_TEXT} characters, for at most
            L{MAX_COMPONENTS} components and L{MAX_BYTES} bytes.
        @raise InvalidMultiaddr: this is not a multiaddr; the text says where.
        """
        encoded = self._encoded = b"".join(map(_encode, _parseText(text)))
        if len(encoded) > MAX_BYTES:
            raise InvalidMultiaddr(f"longer than {MAX_BYTES} bytes")

    @classmethod
    def of(cls, address: Multiaddr | str) -> Multiaddr:
        """
        Return an address, which may be given in text.

        @raise InvalidMultiaddr: it is not a multiaddr; the message has an example.
        """
        return address if isinstance(address, Multiaddr) else cls(address)

    @classmethod
    def several(
        cls, addresses: Multiaddr | str | Iterable[Multiaddr | str]
    ) -> list[Multiaddr]:
        """
        Return addresses, which may be given in text; a single address may be given
        without a list.

        @raise InvalidMultiaddr: an address is not a multiaddr; the message has an
            example.
        """
        if isinstance(addresses, Multiaddr | str | bytes):
            return [cls.of(addresses)]
        if not isinstance(addresses, Iterable):
            raise InvalidMultiaddr(_wanted(addresses))
        return [cls.of(each) for each in addresses]

    @classmethod
    def fromBytes(cls, data: bytes) -> Multiaddr:
        """
        Read an address in bytes.

        @param data: at most L{MAX_BYTES} bytes, of at most L{MAX_COMPONENTS}
            components.
        @raise InvalidMultiaddr: this is not a multiaddr; the text says where.
        """
        if not (isUsual(data) or _isPlain(data)):
            for _ in _parseBytes(data):
                pass
        return cls._of(bytes(data))

    @classmethod
    def _of(cls, encoded: bytes) -> Multiaddr:
        address = cls.__new__(cls)
        address._encoded = encoded
        return address

    def toBytes(self) -> bytes:
        """
        Return the address in bytes.
        """
        return self._encoded

    @property
    def names(self) -> tuple[str, ...]:
        """
        The names of the protocols.
        """
        return _namesOf(self._encoded)

    @property
    def first(self) -> str:
        """
        The name of the first protocol; empty for an address without components.
        """
        encoded = self._encoded
        if encoded and encoded[0] == IP4:
            return "ip4"
        for protocol, *_ in _cut(encoded):
            return protocol.name
        return ""

    @property
    def relayed(self) -> bool:
        """
        Whether the address leads through a relay.
        """
        # An address without these bytes has no relay.
        return _CIRCUIT in self._encoded and "p2p-circuit" in self.names

    @property
    def host(self) -> bytes | None:
        """
        The 4 or 16 bytes of the IP address at its beginning, also if a zone precedes
        it; None if it begins with another protocol.
        """
        encoded = self._encoded
        first = encoded[0] if encoded else None
        if first == IP4:
            return encoded[1:5]
        if first == _IP6:
            return encoded[1:17]
        for protocol, _, start, end in _cut(encoded):
            if protocol.name != "ip6zone":
                return encoded[start:end] if protocol.code in (IP4, _IP6) else None
        return None

    def value(self, name: str) -> str | None:
        """
        Return the value of the first protocol of this name; None if the address does
        not have it, or it has no value.
        """
        for component in self:
            if component.name == name:
                return component.value
        return None

    def startsWith(self, other: Multiaddr | str) -> bool:
        """
        Check whether the first components are those of another address.
        """
        other = self.of(other)
        return tuple(self)[: len(other)] == tuple(other)

    def encapsulate(self, other: Multiaddr | str) -> Multiaddr:
        """
        Return this address followed by another one.

        @raise InvalidMultiaddr: both together have more than L{MAX_COMPONENTS}
            components or L{MAX_BYTES} bytes.
        """
        other = self.of(other)
        if self and other and len(self) + len(other) > MAX_COMPONENTS:
            raise InvalidMultiaddr(f"more than {MAX_COMPONENTS} components")
        encoded = self._encoded + other._encoded
        if len(encoded) > MAX_BYTES:
            raise InvalidMultiaddr(f"longer than {MAX_BYTES} bytes")
        return self._of(encoded)

    def decapsulate(self, other: Multiaddr | str) -> Multiaddr:
        """
        Return the part before the last occurrence of another address; the whole
        address if the other one does not occur.
        """
        other = self.of(other)
        begins = [begin for _, begin, *_ in _cut(self._encoded)]
        # The empty address occurs at the very end.
        begins += [] if other else [len(self._encoded)]
        for begin in reversed(begins):
            if self._encoded.startswith(other._encoded, begin):
                return self._of(self._encoded[:begin])
        return self

    def withoutFirst(self) -> Multiaddr:
        """
        Return this address without its first component.
        """
        for *_, end in _cut(self._encoded):
            return self._of(self._encoded[end:])
        return self

    @property
    def peerID(self) -> PeerID | None:
        """
        The id of the peer at the end of the address, if there is one.
        """
        last = self._lastPeer()
        return PeerID.fromBytes(self._encoded[last[1] :]) if last is not None else None

    def _lastPeer(self) -> tuple[int, int] | None:
        """
        Find the id of the peer at the end of the address.

        @return: the offsets at which its component and its value begin.
        """
        # An address without these bytes has no id.
        encoded = self._encoded
        if _P2P not in encoded:
            return None
        for size in USUAL_SIZES:
            if encoded.startswith(_P2P, size) and isUsual(encoded[:size]):
                start = size + len(_P2P) + 1
                if encoded[start - 1] == len(encoded) - start < 0x80:
                    # The id is all that follows.
                    return size, start
        *_, (protocol, begin, start, _) = _cut(self._encoded)
        return (begin, start) if protocol.name == "p2p" else None

    def withPeer(self, peerID: PeerID | str) -> Multiaddr:
        """
        Return this address with the id of a peer at its end, which replaces another
        id there.

        @raise InvalidMultiaddr: as for L{encapsulate}.
        """
        return self.withoutPeer().encapsulate(
            self._of(_P2P + delimit(PeerID.of(peerID).toBytes()))
        )

    def withoutPeer(self) -> Multiaddr:
        """
        Return this address without the id of the peer at its end.
        """
        last = self._lastPeer()
        return self if last is None else self._of(self._encoded[: last[0]])

    def __iter__(self) -> Iterator[Component]:
        return _parseBytes(self._encoded) if self._encoded else iter(())

    def __len__(self) -> int:
        return sum(1 for _ in _cut(self._encoded))

    def __bool__(self) -> bool:
        return bool(self._encoded)

    def __str__(self) -> str:
        return usualText(self._encoded) or _textOf(self)

    def __repr__(self) -> str:
        return printable(f"<Multiaddr {self}>")

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


def _textOf(address: Multiaddr) -> str:
    text, left = "", len(address)
    for name, code, value, _ in address:
        text, left = f"{text}/{name}", left - 1
        if value is not None:
            text += pathText(value, not left) if BY_CODE[code].path else f"/{value}"
    return text or "/"


def _wanted(value: object) -> str:
    """
    Return a message that describes an address, for use instead of a wrong value.
    """
    name = "None" if value is None else type(value).__name__
    return f"an address is a Multiaddr or its text, such as {_EXAMPLE}, not {name}"


def _parseText(text: str) -> Iterator[Component]:
    if not isinstance(text, str):
        raise InvalidMultiaddr(_wanted(text))
    if len(text) > MAX_TEXT:
        raise InvalidMultiaddr(f"longer than {MAX_TEXT} characters")
    if not text.startswith("/"):
        raise InvalidMultiaddr(
            f"{text!r} does not begin with a slash, as {_EXAMPLE} does"
        )
    parts = text.removesuffix("/").split("/")[1:]
    if not parts:
        raise InvalidMultiaddr(f"{text!r} is empty: {_EXAMPLE} is an address")
    position = count = 0
    while position < len(parts):
        count += 1
        if count > MAX_COMPONENTS:
            raise InvalidMultiaddr(f"more than {MAX_COMPONENTS} components")
        name = parts[position]
        position += 1
        protocol = BY_NAME.get(name)
        if protocol is None:
            problem = f"unknown protocol {name!r}" if name else "an empty component"
            known = get_close_matches(name[:64], BY_NAME) or ("ip4", "tcp", "p2p")
            problem += f", where {' or '.join(known)} could stand"
            raise InvalidMultiaddr(f"{text!r}: {problem}")
        value = ""
        if protocol.path and position < len(parts):
            try:
                value, taken = takePath(parts[position:])
            except ValueError as error:
                raise InvalidMultiaddr(
                    f"{text!r}: {parts[position]!r} is no value for"
                    f" /{protocol.name}: {error}"
                ) from None
            position += taken
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
        # The text that these bytes have.
        canonical = protocol.toText(data)
    except ValueError as error:
        raise InvalidMultiaddr(
            f"{where}: {value!r} is no value for /{protocol.name}: {error}"
        ) from None
    return Component(protocol.name, protocol.code, canonical, data)


def _isPlain(data: bytes) -> bool:
    """
    Check quickly whether bytes are an address that has only IP addresses, ports and
    protocols without a value, as nearly all addresses do.  Such values need no check,
    and have no other encoding; and peers name hundreds of addresses.
    """
    size = len(data)
    offset = count = 0
    while offset < size:
        code = data[offset]
        offset += 1
        if code >= 0x80:
            if offset >= size or not 0 < data[offset] < 0x80:
                return False
            code = code & 0x7F | data[offset] << 7
            offset += 1
        length = _PLAIN.get(code)
        if length is None:
            return False
        offset += length
        count += 1
    return offset == size <= MAX_BYTES and 0 < count <= MAX_COMPONENTS


def _parseBytes(data: bytes) -> Iterator[Component]:
    """
    Read the components of an address in bytes, and check their values.
    """
    if len(data) > MAX_BYTES:
        raise InvalidMultiaddr(f"longer than {MAX_BYTES} bytes")
    if not data:
        raise InvalidMultiaddr("an empty multiaddr")
    for protocol, _, start, end in _cut(data):
        if protocol.size == 0:
            yield Component(protocol.name, protocol.code, None, b"")
            continue
        value = bytes(data[start:end])
        try:
            text = protocol.toText(value)
        except ValueError as error:
            raise InvalidMultiaddr(
                f"{value.hex()} is no value for /{protocol.name}: {error}"
            ) from None
        yield Component(protocol.name, protocol.code, text, value)


def _cut(data: bytes) -> Iterator[tuple[Protocol, int, int, int]]:
    """
    Cut an address in bytes into its components.

    @return: for each, the protocol, and the offsets at which it begins, its value
        begins, and it ends.
    """
    offset = count = 0
    while offset < len(data):
        count += 1
        if count > MAX_COMPONENTS:
            raise InvalidMultiaddr(f"more than {MAX_COMPONENTS} components")
        begin = offset
        code, start = data[offset], offset + 1
        if code >= 0x80:
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
        yield protocol, begin, start, offset


@lru_cache(256)
def _namesOf(encoded: bytes) -> tuple[str, ...]:
    """
    Return the names of the protocols of an address in bytes.  A dial asks for those of
    its few addresses many times; this keeps at most some 300 KiB.
    """
    return tuple([protocol.name for protocol, *_ in _cut(encoded)])


def _number(data: bytes, offset: int) -> tuple[int, int]:
    try:
        number = varint.decode(data, offset)
    except InvalidInput as error:
        raise InvalidMultiaddr(f"{error} at byte {offset}") from None
    if number is None:
        raise InvalidMultiaddr(f"cut off at byte {offset}")
    return number

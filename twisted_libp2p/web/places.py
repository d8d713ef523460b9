# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The URIs of resources that are reached over libp2p: C{libp2p://PEER/path}, and
C{multiaddr:} (libp2p/specs, http/README.md).
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple
from urllib.parse import quote, unquote, urljoin

from twisted_libp2p.address import Multiaddr
from twisted_libp2p.errors import InvalidInput
from twisted_libp2p.identity import PeerID

__all__ = ["WebPlace"]

_EXAMPLE: Final = "libp2p://12D3KooW.../path"
_HTTP_PATH: Final = "/http-path/"

# What a request line may hold, and what an http-path has to escape there.
_PATH = re.compile(r"[!-~]*")
_PLAIN: Final = "/-._~!$&'()*+,;=:@"


class WebPlace(NamedTuple):
    """
    A resource of a peer.

    @ivar peer: the peer that serves it.
    @ivar path: its path and query, as a request has them.
    @ivar address: an address of the peer; None if the URI has none.
    """

    peer: PeerID
    path: str
    address: Multiaddr | None = None

    @classmethod
    def parse(cls, uri: str) -> WebPlace:
        """
        Parse a URI.

        @raise InvalidInput: it is malformed; the text says what would be right.
        """
        scheme, _, rest = uri.partition("#")[0].partition(":")
        try:
            if scheme.lower() == "libp2p" and rest.startswith("//"):
                place = cls._named(rest[2:])
            elif scheme.lower() == "multiaddr":
                place = cls._addressed(rest)
            else:
                raise InvalidInput("it begins with neither libp2p:// nor multiaddr:")
        except InvalidInput as error:
            raise InvalidInput(
                f"{uri!r} is not a URI such as {_EXAMPLE}: {error}"
            ) from None
        if not _PATH.fullmatch(place.path):
            raise InvalidInput(f"{uri!r}: its path needs percent signs")
        return place

    @classmethod
    def _named(cls, text: str) -> WebPlace:
        """
        Parse a URI without its scheme: a peer id, and a path.
        """
        end = len(re.split(r"[/?]", text, maxsplit=1)[0])
        path = text[end:]
        peer = PeerID.fromText(text[:end])
        return cls(peer, path if path.startswith("/") else "/" + path)

    @classmethod
    def _addressed(cls, text: str) -> WebPlace:
        """
        Parse a URI without its scheme: an address, which may end in a path.
        """
        text, question, query = text.partition("?")
        place, _, path = text.partition(_HTTP_PATH)
        address = Multiaddr(place)
        if address.peerID is None:
            raise InvalidInput(f"{place} has to end in /p2p/ and a peer id")
        path = "/" + quote(unquote(path).removeprefix("/"), _PLAIN)
        return cls(
            address.peerID, path + question + query, address.withoutPeer() or None
        )

    def resolve(self, location: str) -> str:
        """
        Return the URI of a redirect, which may be relative to this one; a malformed one
        as it is.

        @param location: the value of the header C{Location}.
        """
        # urljoin joins only paths and URIs of well-known schemes.
        if re.match(r"[A-Za-z][A-Za-z0-9+.-]*:|//", location):
            return location
        try:
            joined = urljoin(f"http://peer{self.path}", location)
        except ValueError:
            # It has a malformed host after a control character.
            return location
        return f"libp2p://{self.peer}{joined.removeprefix('http://peer')}"

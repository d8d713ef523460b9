# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
multistream-select 1.0, without I/O (U{the specification
<https://github.com/multiformats/multistream-select>}).

A message is its length as a varint, a text, and a newline that the length
counts.  Both sides begin with a header message; then the initiator proposes
one protocol after the other, and the responder repeats the first protocol that it
speaks, or answers C{na}::

    initiator                                responder
    /multistream/1.0.0  /tls/1.0.0    --->
                                      <---   /multistream/1.0.0  na
    /noise                            --->
                                      <---   /noise
    (bytes of /noise in both directions)

L{Initiator} and L{Responder} are fed with received bytes in pieces of any size, return
the bytes to send, and are done when C{agreed} is set; the bytes after the agreement are
in C{trailing}.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache

from twisted_libp2p.errors import (
    NegotiationFailed,
    ProtocolViolation,
    TwoInitiators,
    UnsupportedProtocol,
)
from twisted_libp2p.wire import varint

__all__ = [
    "MAX_MESSAGE",
    "MAX_PROPOSALS",
    "MAX_PROTOCOL_ID",
    "PROTOCOL_ID",
    "WORDS",
    "Initiator",
    "Responder",
    "spoken",
]

PROTOCOL_ID = "/multistream/1.0.0"

#: The maximum size of a message, sent or accepted, in bytes with its newline: the bound
#: of go and js (rust accepts 16383).
MAX_MESSAGE = 1024

#: The maximum size of a protocol id, in bytes: its message has a newline too.
MAX_PROTOCOL_ID = MAX_MESSAGE - 1

#: The words of multistream-select itself, which are not protocol ids.
WORDS = frozenset(("na", "ls", PROTOCOL_ID))

#: The number of protocols that an error names.
_MAX_TOLD = 8

#: The number of proposals that a responder answers.
MAX_PROPOSALS = 100


@lru_cache(256)
def encode(text: str) -> bytes:
    """
    Encode a text as a message.

    @raise ValueError: the text has a newline, or does not fit a message.
    """
    body = text.encode("utf-8") + b"\n"
    if len(body) > MAX_MESSAGE or b"\n" in body[:-1]:
        raise ValueError(f"not a protocol id: {text!r}")
    return varint.encode(len(body)) + body


HEADER = encode(PROTOCOL_ID)


@lru_cache(256)
def opening(text: str) -> bytes:
    """
    Encode the first flight with a proposal; it is also the answer that agrees.

    @raise ValueError: as for L{encode}.
    """
    return HEADER + encode(text)


def spoken(text: str) -> bool:
    """
    Decide whether the text of a message can be a protocol id, so that it can be
    answered.
    """
    return bool(text) and text not in WORDS and "\n" not in text


#: The offset of the proposal in a first flight.
_PROPOSAL = len(HEADER) + 1

_NA = encode("na")
_LS = encode("ls")


class _Messages:
    """
    Cuts received bytes into the texts of messages.
    """

    __slots__ = ("_buffer",)

    def __init__(self) -> None:
        self._buffer = b""

    def feed(self, data: bytes) -> None:
        self._buffer = self._buffer + data if self._buffer else data

    def next(self) -> str | None:
        """
        Take out the next message.

        @return: its text; None if it is incomplete.
        @raise ProtocolViolation: it is too long, or not a message.
        """
        buffer = self._buffer
        if not buffer:
            return None
        length = buffer[0]
        start = 1
        if length >= 0x80:
            # Two bytes hold every length that is accepted.
            if len(buffer) < 2:
                return None
            length = (length & 0x7F) | (buffer[1] << 7)
            start = 2
            if not 0x80 <= length <= MAX_MESSAGE:
                raise ProtocolViolation(PROTOCOL_ID, "a message is too long")
        if length == 0:
            raise ProtocolViolation(PROTOCOL_ID, "a message is empty")
        end = start + length
        if len(buffer) < end:
            return None
        if buffer[end - 1] != 0x0A:
            raise ProtocolViolation(PROTOCOL_ID, "a message lacks its newline")
        try:
            text = buffer[start : end - 1].decode("utf-8")
        except UnicodeDecodeError:
            raise ProtocolViolation(PROTOCOL_ID, "a message is not UTF-8") from None
        self._buffer = buffer[end:]
        return text

    def rest(self) -> bytes:
        """
        Take out the bytes after the last message.
        """
        rest, self._buffer = self._buffer, b""
        return rest


def _listed(text: str) -> list[str]:
    """
    Read the answer to C{ls}: messages within a message.

    @return: the protocols; none if the peer does not know C{ls}, as go-libp2p.
    """
    inner = _Messages()
    inner.feed(text.encode("utf-8"))
    protocols: list[str] = []
    try:
        while (protocol := inner.next()) is not None:
            protocols.append(protocol)
    except ProtocolViolation:
        return []
    return protocols


class Initiator:
    """
    The side that proposes.

    @ivar agreed: the protocol that the responder repeated; None so far.
    @ivar trailing: the bytes that came after the agreement.
    @ivar refusal: the reason of the failure, while the peer is still asked for its
        protocols.
    @ivar farewell: the bytes that are still to be sent after a failure.
    """

    __slots__ = (
        "_ask",
        "_flight",
        "_headerDue",
        "_index",
        "_messages",
        "_protocols",
        "agreed",
        "farewell",
        "refusal",
        "trailing",
    )

    def __init__(
        self, protocols: Sequence[str], header: bool = True, ask: bool = False
    ) -> None:
        """
        @param protocols: the proposals, in order of preference.
        @param header: whether the header is still to be exchanged; not after
            a bootstrap that agreed on C{/multistream/1.0.0}.
        @param ask: whether to ask a peer that has refused all proposals for its
            protocols, which the error then names.
        @raise ValueError: there is no proposal, or one cannot be sent.
        """
        if not protocols:
            raise ValueError("no protocol to propose")
        self._protocols = tuple(protocols)
        self._messages: _Messages | None = None
        self._flight = b""
        self._headerDue = header
        self._ask = ask
        self._index = 0
        self.refusal: UnsupportedProtocol | None = None
        self.agreed: str | None = None
        self.farewell = self.trailing = b""

    def start(self) -> bytes:
        """
        Return the first flight: the header and the first proposal.
        """
        proposal = self._protocols[0]
        self._flight = opening(proposal) if self._headerDue else encode(proposal)
        return self._flight

    def receive(self, data: bytes) -> bytes:
        """
        Take in answers.

        @return: the bytes to send.
        @raise UnsupportedProtocol: the responder refused all proposals.
        @raise TwoInitiators: it proposed a protocol itself.
        @raise NegotiationFailed: it answered something else.
        @raise ProtocolViolation: it does not speak multistream-select.
        """
        messages = self._messages
        if messages is None:
            flight = self._flight
            if flight and data.startswith(flight):
                # Nearly every peer answers the same bytes.
                self.agreed = self._protocols[0]
                self.trailing = data[len(flight) :]
                return b""
            messages = self._messages = _Messages()
        messages.feed(data)
        out = b""
        while (text := self._next(messages)) is not None:
            if self._headerDue:
                if text != PROTOCOL_ID:
                    raise ProtocolViolation(PROTOCOL_ID, "the header is missing")
                self._headerDue = False
            elif self.refusal is not None:
                raise UnsupportedProtocol(self._protocols, _listed(text))
            elif text == self._protocols[self._index]:
                self.agreed = text
                self.trailing = messages.rest()
                return out
            elif text == "na":
                self._index += 1
                if self._index < len(self._protocols):
                    out += encode(self._protocols[self._index])
                    continue
                self.refusal = UnsupportedProtocol(self._protocols)
                if not self._ask:
                    raise self.refusal
                out += _LS
            else:
                raise self._failure(text)
        return out

    def _failure(self, text: str) -> NegotiationFailed:
        """
        Return the error for another answer.
        """
        message = (
            f"proposed {self._protocols[self._index]}, and the peer answered"
            f" {text[:80]!r}"
        )
        if not text.startswith("/"):
            return NegotiationFailed(message)
        # An abort could keep our own proposal from the peer.
        self.farewell = _NA
        return TwoInitiators(PROTOCOL_ID, message)

    def _next(self, messages: _Messages) -> str | None:
        try:
            return messages.next()
        except ProtocolViolation:
            if self.refusal is not None:
                raise self.refusal from None
            raise


class Responder:
    """
    The side that answers.

    @ivar agreed: the first proposed protocol that we speak; None so far.
    @ivar trailing: the bytes that came after the agreement.
    @ivar farewell: the bytes that are still to be sent after a failure.
    """

    __slots__ = (
        "_accepts",
        "_headerDue",
        "_headerMayCome",
        "_listing",
        "_messages",
        "_proposals",
        "_refused",
        "agreed",
        "farewell",
        "trailing",
    )

    def __init__(
        self,
        accepts: Callable[[str], object],
        listing: Callable[[], Iterable[str]],
        header: bool = True,
    ) -> None:
        """
        @param accepts: decides whether we speak a proposed protocol, by truth value.
        @param listing: returns the protocols to name in answer to C{ls}.
        @param header: whether the header is still to be exchanged.
        """
        self._accepts = accepts
        self._listing = listing
        self._messages: _Messages | None = None
        self._headerDue = header
        # After a bootstrap some initiators send the header nevertheless, once.
        self._headerMayCome = not header
        self._proposals = 0
        self._refused: list[str] = []
        self.agreed: str | None = None
        self.trailing = b""
        self.farewell = b""

    def start(self) -> bytes:
        """
        Return no bytes: the responder waits, since a bootstrap initiator would take the
        header for a broken echo.
        """
        return b""

    def receive(self, data: bytes) -> bytes:
        """
        Take in proposals.

        @return: the bytes to send.
        @raise NegotiationFailed: too many proposals were refused.
        @raise ProtocolViolation: the peer does not speak multistream-select.
        """
        messages = self._messages
        if messages is None:
            text = self._proposal(data)
            if text is not None and self._accepts(text):
                answer = opening(text)
                self.agreed = text
                self.trailing = data[len(answer) :]
                return answer
            messages = self._messages = _Messages()
        messages.feed(data)
        out = b""
        while self.agreed is None:
            try:
                text = messages.next()
            except ProtocolViolation as violation:
                if not self._proposals:
                    raise
                # After a refused proposal come the data that an optimistic initiator
                # sent with it: this is not a violation, only no agreement.
                self.farewell = out
                raise UnsupportedProtocol(*self._lists()) from violation
            if text is None:
                return out
            out += self._answer(text)
        self.trailing = messages.rest()
        return out

    def _answer(self, text: str) -> bytes:
        """
        Answer one message, and set C{agreed} if that ends the negotiation.

        @raise UnsupportedProtocol: too many proposals were refused.
        @raise ProtocolViolation: the first message is not the header.
        """
        if self._headerDue:
            if text != PROTOCOL_ID:
                raise ProtocolViolation(PROTOCOL_ID, "the header is missing")
            self._headerDue = False
            return HEADER
        if text == PROTOCOL_ID and self._headerMayCome:
            self._headerMayCome = False
            return HEADER
        if spoken(text) and self._accepts(text):
            self.agreed = text
            return encode(text)
        if self._proposals == MAX_PROPOSALS:
            raise UnsupportedProtocol(*self._lists())
        self._proposals += 1
        if text == "ls":
            return self._list()
        if len(self._refused) < _MAX_TOLD:
            self._refused.append(text[:80])
        return _NA

    def _proposal(self, data: bytes) -> str | None:
        """
        Read a complete first flight, the usual case.

        @return: the proposal; None if the flight has to be read message by message.
        """
        if len(data) <= _PROPOSAL or not self._headerDue:
            return None
        size = data[_PROPOSAL - 1]
        end = _PROPOSAL + size
        if size > 0x7F or data[end - 1 : end] != b"\n" or not data.startswith(HEADER):
            return None
        try:
            text = data[_PROPOSAL : end - 1].decode("utf-8")
        except UnicodeDecodeError:
            return None
        # As in spoken(), without a call: this is done for every stream.
        return text if text and text not in WORDS and "\n" not in text else None

    @property
    def refusal(self) -> UnsupportedProtocol | None:
        """
        The reason of the failure if there are no more proposals.
        """
        return UnsupportedProtocol(*self._lists()) if self._refused else None

    def _lists(self) -> tuple[list[str], list[str]]:
        """
        Return the refused proposals, and our own protocols.
        """
        return self._refused, list(self._listing())[:_MAX_TOLD]

    def _list(self) -> bytes:
        """
        Return the answer to C{ls}: one message made of messages.
        """
        body = b"".join(map(encode, self._listing())) + b"\n"
        return varint.encode(len(body)) + body

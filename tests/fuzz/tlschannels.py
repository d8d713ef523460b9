# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Target: a channel of TLS, and a peer that seals anything.

An input is read as a script of the peer's records, of which most make sense, of bytes
that it did not seal, and of things that our application says.  What is opened has to
be the peer's data, and what the application says has to reach the peer, which is
OpenSSL's.

A handshake is dear, so both ends resume a session, which they otherwise never do.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec
from OpenSSL import SSL

from tests.fuzz.target import cut, headed, target
from tests.security.tls.forgery import IDENTITY, NOW
from tests.security.tls.sealer import ALERT, DATA, HANDSHAKE, Sealer, watchedContext
from twisted_libp2p.errors import ProtocolViolation
from twisted_libp2p.interfaces import Handshake, Role
from twisted_libp2p.security.tls.certificate import HostCertificate
from twisted_libp2p.security.tls.channel import Ends, TLSChannel, said
from twisted_libp2p.security.tls.context import Contexts
from twisted_libp2p.security.tls.handshake import TLSHandshake

# SSL_OP_ALLOW_NO_DHE_KEX and SSL_OP_PREFER_NO_DHE_KEX of openssl/ssl.h.
_NO_EXCHANGE: Final = 1 << 10 | 1 << 35

# The most that there is, in seconds.
_LIFETIME: Final = 7 * 86400

# A server remembers twice as many sessions, which are found faster than tickets are
# read.
_REMEMBERED: Final = 10_000

_GOODBYE: Final = SSL.SENT_SHUTDOWN | SSL.RECEIVED_SHUTDOWN

# What an alert tells, whatever its level.
_CLOSE_NOTIFY: Final = 0

# Types of a record's content; None is any other.
_KINDS: Final = (DATA, DATA, HANDSHAKE, ALERT, None)

# A message of TLS 1.2, which OpenSSL's client drops at any time.
_DROPPED: Final = b"\x14\x03\x03\x00\x01\x01"

# A record has room for 16 KiB.
_LONGER: Final = 100


class _Pairs:
    """
    Connects our side with a peer, time and again.
    """

    def __init__(self, initiator: bool) -> None:
        """
        @param initiator: whether our side opens the connection.
        """
        self._initiator = initiator
        self._secrets: list[bytes] = []
        self._session: SSL.Session | None = None
        self._contexts = Contexts(HostCertificate.sign(IDENTITY, NOW))
        self._theirs = watchedContext(self._secrets)
        for context in (self._contexts._client, self._contexts._server, self._theirs):
            context.set_session_id(b"fuzz")
            context.set_session_cache_mode(SSL.SESS_CACHE_SERVER)
            context.set_timeout(_LIFETIME)
            context.set_options(_NO_EXCHANGE | SSL.OP_NO_TICKET)
            context.set_tmp_ecdh(ec.SECP256R1())
        self._uses = 0

    @contextlib.contextmanager
    def connect(self) -> Iterator[tuple[TLSChannel, SSL.Connection, Sealer]]:
        """
        Connect, for as long as the context lasts.

        @return: our end; the peer's, which is to hear what we say; and what seals for
            it.
        """
        self._uses += 1
        if self._uses % _REMEMBERED == 1:
            self._session = None
            with self.connect():
                # It leaves a session behind.
                pass
        self._secrets.clear()
        handshake = Handshake(
            IDENTITY,
            Role.CLIENT if self._initiator else Role.SERVER,
            None,
            (),
            _unexpected,
        )
        machine = TLSHandshake(handshake, lambda: NOW, self._contexts)
        ours = self._contexts.connect(machine, self._initiator)
        theirs = SSL.Connection(self._theirs, None)
        if self._initiator:
            theirs.set_accept_state()
            client, server = ours, theirs
        else:
            theirs.set_connect_state()
            theirs.set_alpn_protos([b"libp2p"])
            client, server = theirs, ours
        if self._session is not None:
            client.set_session(self._session)
        for end, other in (client, server), (server, client), (client, server):
            with contextlib.suppress(SSL.WantReadError):
                end.do_handshake()
            other.bio_write(said(end))
        server.do_handshake()
        tickets = said(server)
        client.bio_write(tickets)
        with contextlib.suppress(SSL.WantReadError):
            client.recv(1)
        sent = tickets if self._initiator else b""
        try:
            yield (
                TLSChannel(ours, self._initiator),
                theirs,
                Sealer(self._secrets, not self._initiator, sent),
            )
        finally:
            # OpenSSL forgets the session of a connection that has not said goodbye.
            ours.set_shutdown(_GOODBYE)
            theirs.set_shutdown(_GOODBYE)
            if self._session is None:
                self._session = client.get_session()


def _unexpected(reason: object) -> None:
    raise AssertionError(reason)


_PAIRS = {initiator: _Pairs(initiator) for initiator in (True, False)}


@dataclass
class _Account:
    """
    What has come of it so far.

    @ivar data: what the peer has sealed.
    @ivar records: how much of it had been sealed when a record was whole.
    @ivar ends: how much of it had been sealed when the peer announced its end.
    @ivar garbage: what the peer has sent without sealing it.
    @ivar garbled: whether it has sealed something behind such: nothing counts from
        then on.
    @ivar refused: whether our end has.
    @ivar told: what our application has said.
    @ivar heard: what of it the peer has read.
    """

    channel: TLSChannel
    theirs: SSL.Connection
    data: bytearray = field(default_factory=bytearray)
    records: set[int] = field(default_factory=lambda: {0})
    ends: set[int] = field(default_factory=set)
    garbage: bytes = b""
    garbled: bool = False
    refused: bool = False
    told: bytearray = field(default_factory=bytearray)
    heard: bytearray = field(default_factory=bytearray)
    _opened: list[bytes] = field(default_factory=list)

    def sealed(self, kind: int, content: bytes) -> None:
        """
        The peer has sealed a record.
        """
        self.garbled |= bool(self.garbage.replace(_DROPPED, b""))
        self.garbage = b""
        if self.garbled:
            return
        # What ends with zeros is padded, and the type is in front of them.
        *inner, last = (content + bytes((kind,))).rstrip(b"\0") or b"\0"
        if last == DATA:
            self.data += bytes(inner)
            self.records.add(len(self.data))
        elif last == ALERT and inner[1:] == [_CLOSE_NOTIFY]:
            self.ends.add(len(self.data))

    def receive(self, pieces: Iterator[bytes]) -> None:
        """
        Our end is given what the peer has sent, and answers.
        """
        for piece in pieces:
            try:
                self.channel.open(piece, self._opened)
            except ProtocolViolation:
                self.refused = True
                self._hear(self.channel.farewell)
            self._hear(*self.channel.late())
        text = b"".join(self._opened)
        assert self.data.startswith(text) and len(text) in self.records
        if self.refused:
            assert not self.channel.seal([b"more"]) and not self.channel.close()
        elif self.channel.ended:
            assert len(text) in self.ends
        elif not self.garbled:
            assert len(text) == len(self.data)

    def say(self, text: bytes) -> None:
        """
        Our application says something.
        """
        if not self.refused:
            self.told += text
            self._hear(*self.channel.seal([text]))

    def end(self) -> None:
        """
        Our application has said all.  It is there, and so is our end, unless the peer
        is in the midst of a message, or has ended there.
        """
        self._hear(self.channel.close())
        assert self.told.startswith(self.heard)
        if not (self.channel._ends >= Ends.FAILED or self.channel.waiting):
            assert self.heard == self.told
            assert self.theirs.get_shutdown() & SSL.RECEIVED_SHUTDOWN

    def _hear(self, *pieces: bytes) -> None:
        wire = b"".join(pieces)
        if not wire:
            return
        self.theirs.bio_write(wire)
        try:
            while True:
                self.heard += self.theirs.recv(1 << 16)
        except (SSL.WantReadError, SSL.ZeroReturnError):
            pass
        except SSL.Error:
            # It is told by an alert.
            assert self.refused


@target
def tlsChannels(data: bytes) -> None:
    """
    The channel of TLS.
    """
    body, _ = cut(data)
    script = iter(body)
    with _PAIRS[data[:1] >= b"\x80"].connect() as (channel, theirs, sealer):
        account = _Account(channel, theirs)
        wire = b""

        def flush() -> None:
            nonlocal wire
            account.receive(iter(cut(headed(data, wire))[1]))
            wire = b""

        for byte in script:
            match byte & 7:
                case 0:
                    flush()
                    account.say(b"a word or two")
                case 1:
                    wire += sealer.update(byte > 0x7F)
                case 2:
                    text = _text(script, byte)
                    wire += text
                    account.garbage += text
                case number:
                    kind = _KINDS[number - 3] or next(script, 0)
                    content = _text(script, byte)
                    wire += sealer.seal(kind, content)
                    account.sealed(kind, content)
        flush()
        account.end()


def _text(script: Iterator[int], byte: int) -> bytes:
    """
    Read a text, with its size before it.
    """
    text = bytes(islice(script, next(script, 0)))
    return text * _LONGER if byte & 0x78 == 0x78 else text

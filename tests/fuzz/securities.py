# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Targets: what a stranger may say before and after the handshakes.

A stranger that has no key gets no further than the first cipher.  So where a
target's input is to be read behind one, a peer seals it that has done all the
rest honestly.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, TypeVar

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from twisted.python.failure import Failure

from tests.fuzz.target import cut, drive, headed, sameHoweverCut, target
from tests.vectors import vectorIdentity
from twisted_libp2p.errors import HandshakeFailed, InvalidInput, ProtocolViolation
from twisted_libp2p.interfaces import Handshake, Role
from twisted_libp2p.security.machine import Channel, HandshakeMachine
from twisted_libp2p.security.messages import MessageBuffer
from twisted_libp2p.security.noise import payload as noisePayload
from twisted_libp2p.security.noise.channel import LONGEST_MESSAGE, NoiseChannel
from twisted_libp2p.security.noise.handshake import NoiseHandshake
from twisted_libp2p.security.noise.payload import StaticKey
from twisted_libp2p.security.plaintext import PlaintextHandshake
from twisted_libp2p.security.secio.frame import LENGTH, SecioChannel
from twisted_libp2p.security.secio.handshake import SecioHandshake
from twisted_libp2p.security.secio.stretch import Keys
from twisted_libp2p.security.secio.suite import CIPHERS, EXCHANGES, HASHES, Offer
from twisted_libp2p.security.tls import certificate
from twisted_libp2p.security.tls.context import Contexts
from twisted_libp2p.security.tls.handshake import TLSHandshake
from twisted_libp2p.wire.secio_pb2 import Exchange, Propose

K = TypeVar("K")

_OURS, _THEIRS = vectorIdentity(1), vectorIdentity(2)

# When the certificates of the corpus are valid.
_NOW = 1_800_000_000.0

_X25519 = [X25519PrivateKey.from_private_bytes(bytes([n]) * 32) for n in (1, 2)]
_STATIC = StaticKey.sign(_OURS, _X25519[0])
_OFFER = Offer(tuple(EXCHANGES), tuple(CIPHERS), tuple(HASHES))
_NONCE = b"our nonce for it"
_THEIR_PROPOSAL = Propose(
    rand=bytes(16),
    pubkey=_THEIRS.publicKey.toBytes(),
    exchanges="P-256",
    ciphers="AES-128",
    hashes="SHA256",
).SerializeToString()
_CONTEXTS = Contexts(certificate.HostCertificate.sign(_OURS, _NOW))
# Whatever OpenSSL offers first takes longer, and its answer more room than inputs have.
_CONTEXTS._client.set_tmp_ecdh(ec.SECP256R1())


def _handshake(initiator: bool) -> Handshake:
    def failed(reason: Failure) -> None:
        raise AssertionError("a machine tells of its failure by raising")

    return Handshake(
        _OURS,
        Role.CLIENT if initiator else Role.SERVER,
        None,
        ("/yamux/1.0.0",),
        failed,
    )


def _framed(message: bytes) -> bytes:
    return len(message).to_bytes(4, "big") + message


# It has the peer's proposal, and waits for the exchange.
_PROPOSED = SecioHandshake(_handshake(True), _OFFER, _NONCE)
# What the peer signs of ours: without its length.
_OUR_PROPOSAL = _PROPOSED.start()[4:]
_PROPOSED.receive(_framed(_THEIR_PROPOSAL))


def _shake(data: bytes, build: Callable[[], Any]) -> None:
    """
    No input makes a handshake succeed, or fail but in the way that is told.
    """

    def secured(machine: HandshakeMachine) -> object:
        return machine.secured

    def run(pieces: Iterator[bytes]) -> tuple[object, ...]:
        machine = build()
        machine.start()
        outcome = drive(machine, pieces, secured, HandshakeFailed)
        # What is sent is drawn at random.
        return outcome if len(outcome) == 3 else outcome[1:]

    sameHoweverCut(data, run)


@target
def noiseInitiator(data: bytes) -> None:
    """
    The side that opens a Noise handshake.
    """
    _shake(data, lambda: NoiseHandshake(_handshake(True), _STATIC, _X25519[1]))


@target
def noiseResponder(data: bytes) -> None:
    """
    The side that answers.
    """
    _shake(data, lambda: NoiseHandshake(_handshake(False), _STATIC, _X25519[1]))


@target
def noisePayloads(data: bytes) -> None:
    """
    What a peer seals in a Noise handshake names somebody only if it is signed.
    """
    try:
        key, muxers, _ = noisePayload.decode(data, bytes(32))
    except InvalidInput:
        return
    assert len(muxers) <= noisePayload.MOST_MUXERS
    key.verify(b"", b"")


def _carry(
    data: bytes, build: Callable[[K, K], Channel], keys: tuple[K, K], held: int
) -> None:
    """
    What is sealed is opened, however it is cut; and where a byte was changed,
    nothing behind it is.

    @param build: makes one end of a channel, of the keys to send and to receive.
    @param keys: those of the sending end.
    @param held: how many bytes the receiving end may hold.
    """
    body, _ = cut(data)
    texts = body[1:].split(b"\xff")
    sender = build(*keys)
    packets = [b"".join(sender.seal([text])) for text in texts]
    wire = bytearray(b"".join(packets))
    place = len(wire)
    if body[:1] and body[0] != 0xFF:
        place = body[0] * len(wire) // 0xFF
        wire[place] ^= 1 + body[0] % 255

    def run(pieces: Iterator[bytes]) -> tuple[bytes, str, bool]:
        receiver = build(*keys[::-1])
        opened: list[bytes] = []
        for piece in pieces:
            try:
                receiver.open(piece, opened)
            except ProtocolViolation as error:
                return b"".join(opened), str(error), False
            kept: Any = receiver
            assert len(kept._partial) <= held
        return b"".join(opened), "", receiver.truncated

    text, error, truncated = sameHoweverCut(headed(data, bytes(wire)), run)
    whole = b"".join(texts)
    assert whole.startswith(text)
    if place == len(wire):
        assert text == whole and not error and not truncated
    else:
        offset = good = 0
        for packet, each in zip(packets, texts, strict=True):
            offset += len(packet)
            if offset > place:
                break
            good += len(each)
        assert len(text) == good
        assert error or truncated


@target
def noiseChannels(data: bytes) -> None:
    """
    The channel of Noise.
    """
    keys = bytes([1]) * 32, bytes([2]) * 32
    _carry(data, NoiseChannel, keys, LONGEST_MESSAGE + 2)


@target
def noiseFrames(data: bytes) -> None:
    """
    What a stranger puts into a channel of Noise.
    """

    def run(pieces: Iterator[bytes]) -> object:
        channel = NoiseChannel(bytes(32), bytes(32))
        opened: list[bytes] = []
        for piece in pieces:
            try:
                channel.open(piece, opened)
            except ProtocolViolation as error:
                return str(error)
        assert not opened
        return channel.truncated

    sameHoweverCut(data, run)


@target
def secioProposals(data: bytes) -> None:
    """
    The first message of SECIO, and what follows.
    """
    _shake(data, lambda: SecioHandshake(_handshake(True), _OFFER, _NONCE))


@target
def secioExchanges(data: bytes) -> None:
    """
    The second message of SECIO, of a peer that signs any key.
    """
    body, _ = cut(data)
    size = body[0] if body else 0
    key, rest = body[1 : 1 + size], body[1 + size :]
    signature = _THEIRS.sign(_THEIR_PROPOSAL + _OUR_PROPOSAL + key)
    exchange = Exchange(epubkey=key, signature=signature).SerializeToString()

    def build() -> SecioHandshake:
        # To propose takes longer than all the rest.
        machine = copy.copy(_PROPOSED)
        machine._buffer = MessageBuffer(LENGTH)
        machine.start = lambda: b""  # type: ignore[method-assign]
        return machine

    _shake(headed(data, _framed(exchange) + rest), build)


@target
def secioChannels(data: bytes) -> None:
    """
    The channel of SECIO.
    """
    first, second = (
        Keys(iv=bytes([n]) * 16, key=bytes([n]) * 16, mac=bytes([n]) * 20)
        for n in (1, 2)
    )
    _carry(data, partial(SecioChannel, "SHA256"), (first, second), 1 << 17)


@target
def tlsClient(data: bytes) -> None:
    """
    The side that opens a TLS handshake.
    """
    _shake(data, lambda: TLSHandshake(_handshake(True), lambda: _NOW, _CONTEXTS))


@target
def tlsServer(data: bytes) -> None:
    """
    The side that answers.
    """
    _shake(data, lambda: TLSHandshake(_handshake(False), lambda: _NOW, _CONTEXTS))


@target
def plaintexts(data: bytes) -> None:
    """
    The exchange of plaintext.
    """
    _shake(data, lambda: PlaintextHandshake(_handshake(True)))


@target
def certificates(data: bytes) -> None:
    """
    A certificate names a peer, or is refused.
    """
    try:
        certificate.authenticate(data, _NOW)
    except InvalidInput:
        return


@target
def certificateExtensions(data: bytes) -> None:
    """
    The extension has one encoding.
    """
    try:
        key, signature = certificate.decode(data)
    except InvalidInput:
        return
    assert certificate.encode(key, signature) == data

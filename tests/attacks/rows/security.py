# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Attacks on handshakes.
"""

from __future__ import annotations

import contextlib
import random
import socket
from collections.abc import Callable
from datetime import timedelta

from OpenSSL import SSL

from tests.attacks.arena import Arena
from tests.attacks.raw import multistream, noise, tls, yamux
from tests.attacks.raw.identity import Identity, base58, rsaKey
from tests.attacks.raw.peer import Peer, Trap, pingOn
from tests.attacks.raw.pipe import TCP, Ended, Fate, Pipe, connect
from tests.attacks.raw.wire import field

__all__ = ["certificates", "handshakes", "keys"]

#: Seconds in which a refusal is at once.
AT_ONCE = 2.0


def _handshake(arena: Arena, security: str = noise.PROTOCOL_ID) -> TCP:
    """
    Connect, up to the first message of a handshake.
    """
    pipe = connect(arena.address)
    multistream.choose(pipe, security)
    return pipe


def _third(arena: Arena, say: Callable[[noise.Handshake], bytes]) -> Fate:
    """
    Do a Noise handshake, but for the payload of the third message.
    """
    pipe = _handshake(arena)
    handshake = noise.Handshake(True)
    pipe.send(noise.frame(handshake.first()))
    handshake.secondReceived(noise.read(pipe))
    pipe.send(noise.frame(handshake.third(say(handshake))))
    fate = pipe.fate(AT_ONCE)
    pipe.close()
    return fate


def handshakes(arena: Arena) -> None:
    """
    Play C{security.noise_handshakes}.
    """
    chance = random.Random(4)
    before = arena.target.opened
    identity, other = Identity(), Identity()
    fates: dict[str, Fate] = {}
    for name, sent in (
        ("an empty message", b"\0\0"),
        ("31 random bytes", noise.frame(chance.randbytes(31))),
        ("a key of zeros", noise.frame(bytes(32))),
        ("half a message", noise.frame(chance.randbytes(32))[:20]),
        # go-libp2p takes what is behind the key for a payload, and goes on.
        *((("65535 random bytes", noise.frame(chance.randbytes(65535))),) * arena.ours),
    ):
        pipe = _handshake(arena)
        pipe.send(sent)
        if name == "half a message":
            pipe.socket.shutdown(socket.SHUT_WR)
        fates[name] = pipe.fate(AT_ONCE)
        pipe.close()
    for name, third in (
        ("an empty third message", b""),
        ("a random third message", chance.randbytes(200)),
    ):
        pipe = _handshake(arena)
        pipe.send(noise.frame(noise.Handshake(True).first()))
        noise.read(pipe)
        pipe.send(noise.frame(third))
        fates[name] = pipe.fate(AT_ONCE)
        pipe.close()
    payloads: dict[str, Callable[[noise.Handshake], bytes]] = {
        "no payload": lambda it: b"",
        "a random payload": lambda it: chance.randbytes(100),
        "a wrong signature": lambda it: (
            field(1, identity.publicKey) + field(2, chance.randbytes(64))
        ),
        "another's key": lambda it: noise.payload(it, other, signer=identity),
        "a signature of something else": lambda it: (
            field(1, identity.publicKey) + field(2, identity.sign(b"something else"))
        ),
    }
    if arena.ours:
        # Others have no bound but Noise's own; go-libp2p ignores such a list of
        # muxers, and others each list.
        payloads["65 000 bytes of payload"] = lambda it: (
            noise.payload(it, identity) + field(9, bytes(65000))
        )
        payloads["101 muxers"] = lambda it: noise.payload(
            it, identity, tuple(f"/m/{number}" for number in range(101))
        )
    for name, say in payloads.items():
        fates[name] = _third(arena, say)
    for name, fate in fates.items():
        arena.expect(f"{name} refused at once", fate.ended, fate)
    arena.expect("never connected", arena.target.opened == before)
    late = max(fate.seconds for fate in fates.values())
    refused = sum(each.ended for each in fates.values())
    arena.saw(f"{refused} refused within {late:.2f} s")
    if arena.ours:
        _wrongPeer(arena)


def _wrongPeer(arena: Arena) -> None:
    """
    Be dialed as somebody else.
    """
    trap, expected = Trap(), Identity()
    arena.target.tell("dial", trap.address(expected))
    with contextlib.suppress(Ended):
        trap.secure().fate(AT_ONCE)
    error = arena.target.hear()["error"]
    trap.close()
    arena.expect(
        "telling of both peers on a dial",
        all(base58(each.peerID) in error for each in (trap.identity, expected)),
        error,
    )


def keys(arena: Arena) -> None:
    """
    Play C{identity.rsa_keys}.
    """
    chance = random.Random(5)
    before = arena.target.opened
    publicKeys = {
        f"{bits} bits": rsaKey(chance.getrandbits(bits) | 1 << bits - 1 | 1, 65537)
        for bits in (1024, 2047, 8200, 16384, 60000)
    }
    modulus = chance.getrandbits(2048) | 1 << 2047 | 1
    publicKeys["exponent 1"] = rsaKey(modulus, 1)
    publicKeys["an even exponent"] = rsaKey(modulus, 65536)
    publicKeys["a huge exponent"] = rsaKey(modulus, modulus - 2)
    good = rsaKey(modulus, 65537)
    publicKeys["half a key"] = good[: len(good) // 2]
    publicKeys["random DER"] = b"\x30\x82\x01\x00" + chance.randbytes(256)
    slow: dict[str, float] = {}
    for name, der in publicKeys.items():
        said = field(1, field(1, 0) + field(2, der)) + field(2, chance.randbytes(256))
        cost = arena.target.cpu
        for _ in range(10):
            fate = _third(arena, lambda _, said=said: said)  # type: ignore[misc]
        slow[name] = (arena.target.cpu - cost) / 10
        arena.expect(f"{name} refused at once", fate.ended, fate)
    arena.expect("never connected", arena.target.opened == before)
    worst = max(slow, key=lambda name: slow[name])
    arena.saw(f"{len(slow)} refused; the dearest cost {slow[worst] * 1000:.0f} ms")
    arena.expect(
        "cheap to refuse: 50 ms", slow[worst] < 0.05, f"{worst} {slow[worst]:.3f} s"
    )


def certificates(arena: Arena) -> None:
    """
    Play C{security.tls_certificates}.
    """
    identity, other = Identity(), Identity()
    good = tls.Certificate(identity)
    presented: dict[str, list[tls.Certificate]] = {
        "no certificate": [],
        "two certificates": [good, tls.Certificate(identity)],
        "an expired one": [
            tls.Certificate(identity, age=timedelta(days=30), life=timedelta(days=1))
        ],
        "one from the future": [tls.Certificate(identity, age=timedelta(days=-2))],
        "one without the extension": [tls.Certificate(identity, extension=False)],
        "one with an unknown critical extension": [
            tls.Certificate(identity, foreign=True)
        ],
        "one that another has signed": [tls.Certificate(identity, signer=other)],
    }
    before = arena.target.opened
    fates = {name: _greet(arena, some) for name, some in presented.items()}
    fates["TLS 1.2"] = _greet(arena, [good], version=SSL.TLS1_2_VERSION)
    fates["another ALPN"] = _greet(arena, [good], alpn=(b"h2",))
    for name, fate in fates.items():
        arena.expect(f"{name} refused at once", fate.ended, fate)
    arena.expect(
        "never connected", arena.target.opened == before, arena.target.opened - before
    )
    arena.saw(f"{sum(each.ended for each in fates.values())} clients refused")
    session = Peer().dial(arena.address, tls.PROTOCOL_ID)
    pingOn(session)
    session.close()
    if not arena.ours:
        return
    servers = {
        name: (some, SSL.TLS1_3_VERSION, tls.ALPN)
        for name, some in presented.items()
        if some
    }
    servers["TLS 1.2"] = ([good], SSL.TLS1_2_VERSION, tls.ALPN)
    refused = 0
    before = arena.target.opened
    for name, (some, version, alpn) in servers.items():
        error = _beDialed(arena, identity, some, version, alpn)
        typed = ("DialFailed" in error and "TLS" in error) or "tls" in error
        arena.expect(f"{name} refused on a dial", typed, error)
        refused += typed
    arena.expect("never connected", arena.target.opened == before)
    arena.saw(f"{refused} servers refused")


def _greet(
    arena: Arena,
    presented: list[tls.Certificate],
    alpn: tuple[bytes, ...] = tls.ALPN,
    version: int = SSL.TLS1_3_VERSION,
) -> Fate:
    """
    Be a client of TLS, and open a stream at once if that is let happen.
    """
    pipe = _handshake(arena, tls.PROTOCOL_ID)
    secure: Pipe = pipe
    try:
        secure = tls.handshake(pipe, presented, alpn=alpn, version=version)
        secure.send(yamux.frame(yamux.PING, yamux.SYN, 0, 1))
        fate = secure.fate(AT_ONCE)
    except Ended as end:
        # What is refused is refused; but it has to hang up as well.
        fate = pipe.fate(AT_ONCE)
        if fate.ended:
            fate = fate._replace(how=end.how)
    secure.close()
    return fate


def _beDialed(
    arena: Arena,
    identity: Identity,
    presented: list[tls.Certificate],
    version: int,
    alpn: tuple[bytes, ...],
) -> str:
    """
    Be a server of TLS.

    @return: the error that the dialer tells.
    """
    trap = Trap(identity)
    arena.target.tell("dial", trap.address())
    pipe = trap.agree(tls.PROTOCOL_ID)
    with contextlib.suppress(Ended):
        tls.handshake(pipe, presented, client=False, alpn=alpn, version=version).fate(
            AT_ONCE
        )
    pipe.close()
    trap.close()
    return str(arena.target.hear()["error"])

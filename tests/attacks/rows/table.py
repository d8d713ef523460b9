# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The table of attacks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.attacks.arena import Arena
from tests.attacks.rows import connections, muxing, protocols, security, upgrade

__all__ = ["ROWS", "Row"]

MIB = 1 << 20

#: Peers that have no mplex, or whatever else a row needs, are not asked.
EVERYBODY = ("go", "js", "py", "rust")
NOBODY = ()


@dataclass(frozen=True)
class Row:
    """
    An attack.

    @ivar number: of the row.
    @ivar name: what is attacked, or how.
    @ivar tried: what the attacker does.
    @ivar attack: plays it.
    @ivar memory: by how many MiB the node may grow meanwhile.
    @ivar once: whether the second time would not be as the first.
    @ivar long: about how many seconds it mostly waits, beside others; 0 if it does
        not.
    @ivar others: the foreign peers that it can be played against.
    @ivar options: what those have to be started with.
    @ivar network: whether it needs more addresses than loopback has, and so a
        network of its own.
    @ivar private: whether the node belongs to a private network.
    """

    number: int
    name: str
    tried: str
    attack: Callable[[Arena], None]
    memory: int = 16
    once: bool = False
    long: int = 0
    others: tuple[str, ...] = EVERYBODY
    options: tuple[str, ...] = ()
    network: bool = False
    private: bool = False


ROWS = (
    Row(
        1,
        "silent connections",
        "300 sockets connect and say nothing",
        upgrade.silent,
        long=15,
    ),
    Row(
        2,
        "slow drip",
        "one byte a second through multistream, Noise and TLS; and an honest peer"
        " whose bytes come one at a time",
        upgrade.drip,
        long=25,
    ),
    Row(
        3,
        "multistream messages",
        "lengths of 2^10 to 2^40, varints too long or not minimal, no newline, 101"
        " proposals, ls",
        upgrade.messages,
    ),
    Row(
        4,
        "Noise handshakes",
        "empty, cut and random messages, huge payloads, wrong signatures, another's"
        " key, 101 muxers; on a dial, somebody else",
        security.handshakes,
    ),
    Row(
        5,
        "RSA keys",
        "keys of 1024, 8200 and 16384 bits, exponent 1, broken DER",
        security.keys,
    ),
    Row(
        6,
        "TLS certificates",
        "none, two, expired, not yet valid, without the extension, with an unknown"
        " critical one, badly signed, TLS 1.2, wrong ALPN; in both roles",
        security.certificates,
        options=("--security", "tls"),
    ),
    Row(
        7,
        "yamux frames",
        "wrong version, type, parity and stream; data beyond the window, windows"
        " beyond 32 bits, lengths of 4 GiB",
        muxing.frames,
    ),
    Row(
        8,
        "yamux floods",
        "100 000 each of pings, opens with resets, resets, window updates and bytes,"
        " with no answer read; then read, at full speed",
        muxing.floods,
    ),
    Row(
        9,
        "streams that never negotiate",
        "10 000 streams are opened, and nothing is sent on them",
        muxing.streams,
        long=12,
    ),
    Row(
        10,
        "a peer that stops reading",
        "echoes are asked for, and not read: on one stream, and on the socket; an"
        " honest reader pauses for 30 s",
        muxing.unread,
        long=75,
    ),
    Row(
        11,
        "mplex",
        "a message of 1 MiB and a byte, unknown streams, data after the end, 1000"
        " opens, 64 MiB to a stream whose echo is not read",
        muxing.mplexAbuse,
        memory=24,
        long=20,
        options=("--muxer", "mplex"),
    ),
    Row(
        12,
        "identify",
        "9 KiB, 11 messages, 5000 protocols, 2000 addresses, garbage, another's record,"
        " an old record, 1000 pushes",
        protocols.identify,
    ),
    Row(
        13,
        "peerstore flood",
        "200 invented peers tell 500 addresses and 1024 protocols each, and records of"
        " others",
        protocols.peerstore,
        memory=64,
    ),
    Row(
        14,
        "many connections from one address",
        "1000 sockets at once, then 100 peers one after the other, from one address",
        connections.crowd,
        once=True,
        network=True,
    ),
    Row(
        15,
        "above the water marks",
        "200 peers stay, 5 of them protected",
        connections.watermarks,
        memory=48,
        long=120,
        others=NOBODY,
    ),
    Row(
        16,
        "no descriptors left",
        "sockets take all descriptors that the node may have",
        connections.descriptors,
        others=("go", "js", "py", "rust"),
    ),
    Row(
        17,
        "hostile dial targets",
        "200 addresses, dead ones, a black hole, garbage, silence; 50 callers",
        connections.targets,
        long=45,
        others=NOBODY,
    ),
    Row(
        18,
        "simultaneous dial",
        "two nodes dial each other at once, 100 times",
        connections.simultaneous,
        others=NOBODY,
    ),
    Row(
        19,
        "stop under load",
        "the node stops amid 100 handshakes and 50 peers who read nothing",
        connections.stopping,
        others=NOBODY,
    ),
    Row(
        20,
        "ping",
        "a third stream, 31 bytes, a flood",
        protocols.ping,
        long=20,
    ),
    Row(
        21,
        "perf as an amplifier",
        "2^64-1 bytes are asked for",
        protocols.perf,
        others=NOBODY,
    ),
    Row(
        22,
        "garbage",
        "500 connections of random bytes, one cut at each byte of the upgrade, 500"
        " sessions of random frames",
        upgrade.garbage,
    ),
    Row(
        23,
        "private network",
        "peers without the key, and with another one",
        upgrade.privateNetwork,
        long=25,
        others=("go", "js", "rust"),
        private=True,
    ),
    Row(
        24,
        "idle and dead peers",
        "an honest peer is idle for 75 s; another one vanishes without a word",
        connections.idle,
        long=80,
    ),
)

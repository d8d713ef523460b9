# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The table of attacks.
"""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase

from tests.attacks.rows import (
    authorities,
    connections,
    discovering,
    muxing,
    negotiating,
    protocols,
    proxies,
    reaching,
    security,
    strangers,
    upgrade,
    websocket,
)
from tests.attacks.rows.gatewaytable import PORTMAP_ROWS
from tests.attacks.rows.meetingtable import MEETING_ROWS
from tests.attacks.rows.producttable import PRODUCT_ROWS
from tests.attacks.rows.publishingtable import PUBSUB_ROWS
from tests.attacks.rows.quictable import QUIC_ROWS
from tests.attacks.rows.reachtable import REACH_ROWS
from tests.attacks.rows.relaytable import RELAY_ROWS
from tests.attacks.rows.routingtable import DHT_ROWS
from tests.attacks.rows.row import EVERYBODY, NOBODY, Row
from tests.attacks.rows.webrtc import WEBRTC_ROWS
from tests.attacks.rows.webrtcraw import WEBRTC_RAW_ROWS

__all__ = ["EVERYBODY", "ROWS", "Row", "chosen"]


def chosen(patterns: Iterable[str]) -> list[Row]:
    """
    Return the rows which any of these patterns names, in the order of the table.

    @param patterns: names (C{muxer.yamux_frames}), names with wildcards
        (C{muxer.*}), or numbers.  No pattern stands for all rows.
    @raise ValueError: a pattern names no row.
    """
    wanted = list(patterns)
    for each in wanted:
        if not any(_matches(row, each) for row in ROWS):
            raise ValueError(f"no row is called {each}; the rows are: {_names()}")
    return [
        row for row in ROWS if not wanted or any(_matches(row, each) for each in wanted)
    ]


def _matches(row: Row, pattern: str) -> bool:
    numbered = bool(row.number) and pattern == str(row.number)
    return numbered or fnmatchcase(row.name, pattern)


def _names() -> str:
    return ", ".join(each.label for each in ROWS)


ROWS = (
    Row(
        "connection.silent_connections",
        "300 sockets connect and say nothing",
        upgrade.silent,
        number=1,
        long=15,
    ),
    Row(
        "connection.slow_drip",
        "one byte a second through multistream, Noise and TLS; and an honest peer"
        " whose bytes come one at a time",
        upgrade.drip,
        number=2,
        long=25,
    ),
    Row(
        "negotiation.messages",
        "lengths of 2^10 to 2^40, varints too long or not minimal, no newline, 101"
        " proposals, ls",
        upgrade.messages,
        number=3,
    ),
    Row(
        "security.noise_handshakes",
        "empty, cut and random messages, huge payloads, wrong signatures, another's"
        " key, 101 muxers; on a dial, somebody else",
        security.handshakes,
        number=4,
    ),
    Row(
        "identity.rsa_keys",
        "keys of 1024, 8200 and 16384 bits, exponent 1, broken DER",
        security.keys,
        number=5,
    ),
    Row(
        "security.tls_certificates",
        "none, two, expired, not yet valid, without the extension, with an unknown"
        " critical one, badly signed, TLS 1.2, wrong ALPN; in both roles",
        security.certificates,
        number=6,
        options=("--security", "tls"),
    ),
    Row(
        "muxer.yamux_frames",
        "wrong version, type, parity and stream; data beyond the window, windows"
        " beyond 32 bits, lengths of 4 GiB",
        muxing.frames,
        number=7,
    ),
    Row(
        "muxer.yamux_floods",
        "100 000 each of pings, opens with resets, resets, window updates and bytes,"
        " with no answer read; then read, at full speed",
        muxing.floods,
        number=8,
    ),
    Row(
        "negotiation.silent_streams",
        "1000 streams are opened, and nothing is sent on them",
        muxing.streams,
        number=9,
        long=12,
    ),
    Row(
        "muxer.unread_streams",
        "echoes are asked for, and not read: on one stream, and on the socket; an"
        " honest reader pauses for 30 s",
        muxing.unread,
        number=10,
        long=75,
    ),
    Row(
        "muxer.mplex_abuse",
        "a message of 1 MiB and a byte, unknown streams, data after the end, 1000"
        " opens, 64 MiB to a stream whose echo is not read",
        muxing.mplexAbuse,
        number=11,
        memory=24,
        long=20,
        options=("--muxer", "mplex"),
    ),
    Row(
        "identify.messages",
        "9 KiB, 11 messages, 5000 protocols, 2000 addresses, garbage, another's record,"
        " an old record, 1000 pushes",
        protocols.identify,
        number=12,
    ),
    Row(
        "peerstore.flood",
        "200 invented peers tell 500 addresses and 240 protocols each, and records of"
        " others",
        protocols.peerstore,
        number=13,
        memory=64,
    ),
    Row(
        "connmanager.one_address",
        "1000 sockets at once, then 100 peers one after the other, from one address",
        connections.crowd,
        number=14,
        once=True,
        network=True,
    ),
    Row(
        "connmanager.water_marks",
        "200 peers stay, 5 of them protected",
        connections.watermarks,
        number=15,
        memory=48,
        long=120,
        others=NOBODY,
    ),
    Row(
        "transport.no_descriptors",
        "sockets take all descriptors that the node may have",
        connections.descriptors,
        number=16,
        others=("go", "js", "py", "rust"),
    ),
    Row(
        "connection.hostile_dial_targets",
        "200 addresses, dead ones, a black hole, garbage, silence; 50 callers",
        connections.targets,
        number=17,
        long=45,
        others=NOBODY,
    ),
    Row(
        "connection.simultaneous_dial",
        "two nodes dial each other at once, 100 times",
        connections.simultaneous,
        number=18,
        others=NOBODY,
    ),
    Row(
        "node.stop_under_load",
        "the node stops amid 100 handshakes and 50 peers who read nothing",
        connections.stopping,
        number=19,
        others=NOBODY,
    ),
    Row(
        "ping.abuse",
        "a third stream, 31 bytes, a flood",
        protocols.ping,
        number=20,
        long=20,
    ),
    Row(
        "perf.amplifier",
        "2^64-1 bytes are asked for",
        protocols.perf,
        number=21,
        others=NOBODY,
    ),
    Row(
        "connection.garbage",
        "500 connections of random bytes, one cut at each byte of the upgrade, 500"
        " sessions of random frames",
        upgrade.garbage,
        number=22,
    ),
    Row(
        "transport.private_network",
        "peers without the key, and with another one",
        upgrade.privateNetwork,
        number=23,
        long=25,
        others=("go", "js", "rust"),
        private=True,
    ),
    Row(
        "connmanager.idle_and_dead_peers",
        "an honest peer is idle for 75 s; another one vanishes without a word",
        connections.idle,
        number=24,
        long=80,
    ),
    Row(
        "muxer.tiny_frames",
        "what windows allow, in frames of 2 bytes, to echoes that are not read: on 6"
        " streams of yamux; 500 000 frames on one of mplex",
        muxing.tinyFrames,
        once=True,
    ),
    Row(
        "negotiation.ended_streams",
        "20 000 streams are opened, and ended by the same frame or by the next one",
        negotiating.endedStreams,
        once=True,
    ),
    Row(
        "negotiation.refused_proposals",
        "20 000 streams propose a protocol that is not served, and end",
        negotiating.refusedProposals,
        once=True,
    ),
    Row(
        "connmanager.one_network_share",
        "8 connections from one address hold 128 silent streams each, on a node with"
        " places for 512; an honest peer comes from another address",
        negotiating.oneNetwork,
        once=True,
        others=NOBODY,
        network=True,
        node=("--memory", "128"),
    ),
    Row(
        "connmanager.strangers_in_grace",
        "20 honest peers are connected for 62 s, then 200 strangers come at once",
        strangers.inGrace,
        memory=48,
        once=True,
        long=100,
        others=NOBODY,
    ),
    Row(
        "identify.many_components",
        "60 peers push 80 addresses of 502 components each",
        protocols.manyComponents,
        once=True,
    ),
    Row(
        "identify.merged_messages",
        "60 peers push 10 messages that are merged, of 4000 empty protocols or"
        " addresses each, and leave the stream open",
        protocols.mergedMessages,
        once=True,
    ),
    Row(
        "connection.forged_addresses",
        "a peer of a private network says that it listens on loopback: as an address,"
        " in each spelling of one, and by names that lead there",
        strangers.forgedAddresses,
        once=True,
        long=20,
        others=NOBODY,
        network=True,
    ),
    Row(
        "discovery.neighbours",
        "a neighbour names thousands of peers, for ever and elsewhere, says goodbye for"
        " others, asks all the time, and sends broken packets",
        discovering.neighbours,
        once=True,
        others=NOBODY,
        network=True,
    ),
    Row(
        "reachability.dial_requests",
        "peers ask to be dialed at addresses inside, names, and 300 addresses, as often"
        " as they can; cut requests, data that nobody demands, garbage",
        reaching.dialRequests,
        once=True,
        others=NOBODY,
    ),
    Row(
        "node.rejoin_strangers",
        "40 strangers name 64 addresses each and leave, before a node restarts that had"
        " dialed an honest peer",
        strangers.rejoin,
        once=True,
        others=NOBODY,
    ),
    Row(
        "transport.websocket_heads",
        "100 heads of a byte a second, a header of 1 GiB, requests without upgrade,"
        " with no, a wrong or two Hosts, with a body; other protocols",
        websocket.heads,
        once=True,
        long=12,
        others=NOBODY,
        node=("--ws",),
    ),
    Row(
        "transport.proxy_answers",
        "the proxy of the node answers with zeros, other protocols, endless heads, and"
        " floods after each answer",
        proxies.answers,
        once=True,
        others=NOBODY,
    ),
    Row(
        "autotls.answers",
        "the authority of AutoTLS answers with zeros, endless heads, bodies and chunks,"
        " deep brackets, a redirect, and URLs of another server",
        authorities.answers,
        once=True,
        long=50,
        others=NOBODY,
    ),
    Row(
        "transport.shared_port",
        "at a port of TCP and WebSocket, 200 sockets say nothing, 50 one byte; others"
        " speak TLS, SSH, HTTP/2, PROXY, or send zeros",
        websocket.sharedPort,
        once=True,
        long=12,
        others=NOBODY,
        node=("--shared",),
    ),
    Row(
        "transport.websocket_frames",
        "floods of pings, pongs, closes, empty and tiny fragments; frames without mask,"
        " of text, with reserved bits, of 2^64 bytes and 1 TiB; a second request",
        websocket.frames,
        others=NOBODY,
        node=("--ws",),
    ),
    *QUIC_ROWS,
    *RELAY_ROWS,
    *REACH_ROWS,
    *DHT_ROWS,
    *PORTMAP_ROWS,
    *MEETING_ROWS,
    *PUBSUB_ROWS,
    *PRODUCT_ROWS,
    *WEBRTC_ROWS,
    *WEBRTC_RAW_ROWS,
)

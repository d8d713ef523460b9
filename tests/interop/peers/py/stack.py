# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
A host that speaks exactly one stack, and talks to nobody but the test.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping
from typing import Any

from libp2p import new_host
from libp2p.crypto import ed25519, rsa, secp256k1, x25519
from libp2p.network.config import ConnectionConfig
from libp2p.peer.peerstore import PeerStore
from libp2p.rcmgr import ResourceLimits, ResourceManager
from libp2p.rcmgr.connection_limits import ConnectionLimits
from libp2p.security.insecure.transport import PLAINTEXT_PROTOCOL_ID, InsecureTransport
from libp2p.security.noise.transport import PROTOCOL_ID as NOISE
from libp2p.security.noise.transport import Transport as NoiseTransport
from libp2p.security.secio.transport import ID as SECIO
from libp2p.security.secio.transport import Transport as SecioTransport
from libp2p.security.tls.transport import PROTOCOL_ID as TLS
from libp2p.security.tls.transport import TLSTransport
from libp2p.stream_muxer.mplex.mplex import MPLEX_PROTOCOL_ID, Mplex
from libp2p.stream_muxer.yamux.yamux import PROTOCOL_ID as YAMUX
from libp2p.stream_muxer.yamux.yamux import Yamux
from multiaddr import Multiaddr
from quicreads import repairReads

__all__ = ["describe", "listenAddresses", "makeHost"]

# For the limits of the package that a test does not want to meet.
NO_LIMIT = 10**9

KEYS: Mapping[str, Callable[[], Any]] = {
    "ed25519": ed25519.create_new_key_pair,
    "secp256k1": secp256k1.create_new_key_pair,
    "rsa": rsa.create_new_key_pair,
}


def makeNoise(keys: Any) -> NoiseTransport:
    """
    Make Noise with a static key of its own.
    """
    return NoiseTransport(keys, x25519.create_new_key_pair().private_key)


#: The addresses of a transport, after the host.
PATHS: Mapping[str, str] = {
    "tcp": "tcp/{}",
    "ws": "tcp/{}/ws",
    "wss": "tcp/{}/tls/ws",
    "quic": "udp/{}/quic-v1",
}

SECURITY: Mapping[str, tuple[str, Callable[[Any], Any]]] = {
    "noise": (NOISE, makeNoise),
    "tls": (TLS, TLSTransport),
    "secio": (SECIO, SecioTransport),
    "plaintext": (PLAINTEXT_PROTOCOL_ID, InsecureTransport),
}

MUXERS: Mapping[str, tuple[str, Any]] = {
    "yamux": (YAMUX, Yamux),
    "mplex": (MPLEX_PROTOCOL_ID, Mplex),
}


def choose(what: str, table: Mapping[str, Any], name: str) -> Any:
    """
    Find one of the things that the package has.

    @raise ValueError: it has none of that name
    """
    if name not in table:
        raise ValueError(f"unknown {what} {name!r}")
    return table[name]


def listenAddresses(choices: Any) -> list[Multiaddr]:
    """
    Give the addresses to listen on; a dialer has none.
    """
    if choices.role == "dial":
        return []
    path = PATHS[choices.transport].format(choices.port)
    return [Multiaddr(f"/ip4/{choices.host}/{path}")]


def makeHost(choices: Any) -> Any:
    """
    Make a host, which does not run yet.

    @raise ValueError: the package lacks one of the choices
    """
    choose("transport", PATHS, choices.transport)
    keys = choose("key type", KEYS, choices.key)()
    securityID, makeSecurity = choose("security", SECURITY, choices.security)
    muxerID, muxer = choose("muxer", MUXERS, choices.muxer)
    if choices.psk is not None:
        # It has 8 bytes of nonce and Salsa20 where the specification has 24 and
        # XSalsa20.
        raise ValueError("the private networks of py-libp2p are its own")
    if choices.transport == "quic":
        repairReads()
    return new_host(
        key_pair=keys,
        sec_opt={securityID: makeSecurity(keys)},
        muxer_opt={muxerID: muxer},
        listen_addrs=listenAddresses(choices),
        enable_websocket=choices.transport in ("ws", "wss"),
        enable_quic=choices.transport == "quic",
        **({} if choices.transport != "wss" else makeTLS(choices)),
        disable_identify_address_discovery=True,
        **({} if choices.defaults else unlimited()),
    )


def makeTLS(choices: Any) -> dict[str, Any]:
    """
    Give the options of the TLS below a WebSocket, of the files that are named.
    """
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(choices.tls_certificate)
    client = ssl.create_default_context(cafile=choices.tls_roots)
    return {"tls_client_config": client, "tls_server_config": server}


def unlimited() -> dict[str, Any]:
    """
    Give the options that lift the limits of the package.
    """
    return {
        "connection_config": ConnectionConfig(
            max_connections=NO_LIMIT,
            min_connections=0,
            low_watermark=0,
            high_watermark=NO_LIMIT,
        ),
        "resource_manager": ResourceManager(
            limits=ResourceLimits(NO_LIMIT, NO_LIMIT, NO_LIMIT),
            connection_limits=ConnectionLimits(),
            enable_memory_limits=False,
            enable_circuit_breaker=False,
            enable_graceful_degradation=False,
            enable_rate_limiting=False,
        ),
        # With the thousandth peer it would forget its own key.
        "peerstore_opt": PeerStore(max_records=NO_LIMIT, max_peers=NO_LIMIT),
    }


def describe(connection: Any) -> dict[str, Any]:
    """
    Say what was negotiated on a connection.

    No muxer ever comes out of a handshake here: the package negotiates it
    afterwards.
    """
    return {
        "security": connection.get_negotiated_security_protocol(),
        "muxer": connection.get_negotiated_muxer_protocol(),
        "early": False,
    }

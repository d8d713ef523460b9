# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Every error of twisted_libp2p: one small tree::

    Libp2pError
      InvalidInput         text or bytes that do not parse
      LocalError           our side asked for something impossible
      RemoteError          caused by the peer, or by an impostor
      DialFailed           no address of a peer led to a connection

The branch decides how an error is logged.  A L{RemoteError} is an event of the
network: it is logged once, at info, without a traceback.  Any other error that nobody
has asked for is a defect of ours.

The text of an error may quote data of a peer.  C{str()} and C{repr()} make it printable
and cut it off; the attributes keep the data as the peer sent them.

Errors that have a place on the wire carry their code in C{wireCode}: a muxer puts it
into the go-away or the reset that the error causes.
"""

from twisted_libp2p.errors.base import (
    MAX_TEXT,
    DialFailed,
    ErrorCode,
    Libp2pError,
    untraced,
)
from twisted_libp2p.errors.invalid import (
    InvalidInput,
    InvalidKey,
    InvalidMultiaddr,
    InvalidPeerID,
    InvalidRecord,
    InvalidSignature,
)
from twisted_libp2p.errors.local import (
    AddressRefused,
    ClosedHere,
    ConfigurationError,
    ConnectionClosing,
    DialToSelf,
    Gated,
    LimitedConnection,
    LimitExceeded,
    LocalError,
    NoAddresses,
    NodeStopping,
    NotFound,
    ProxyFailed,
    StreamAborted,
    UnsupportedAddress,
)
from twisted_libp2p.errors.publishing import (
    InvalidMessage,
    MessageTooLarge,
    NoPeers,
    PublishFailed,
    QueuesFull,
)
from twisted_libp2p.errors.remote import (
    CircuitLimit,
    CircuitRefused,
    DoubleNAT,
    HandshakeEnded,
    HandshakeFailed,
    LegacyPeer,
    MappingRefused,
    NegotiationEnded,
    NegotiationFailed,
    NoCertificate,
    NoGateway,
    PairingRefused,
    PeerMismatch,
    PeerUnresponsive,
    ProtocolViolation,
    ProxyRefused,
    RemoteError,
    RendezvousRefused,
    ReservationRefused,
    SessionEnded,
    StreamReset,
    TransferFailed,
    Truncated,
    TwoInitiators,
    UnsupportedProtocol,
    UpgradeTimeout,
    departed,
)

__all__ = [
    "MAX_TEXT",
    "AddressRefused",
    "CircuitLimit",
    "CircuitRefused",
    "ClosedHere",
    "ConfigurationError",
    "ConnectionClosing",
    "DialFailed",
    "DialToSelf",
    "DoubleNAT",
    "ErrorCode",
    "Gated",
    "HandshakeEnded",
    "HandshakeFailed",
    "InvalidInput",
    "InvalidKey",
    "InvalidMessage",
    "InvalidMultiaddr",
    "InvalidPeerID",
    "InvalidRecord",
    "InvalidSignature",
    "LegacyPeer",
    "Libp2pError",
    "LimitExceeded",
    "LimitedConnection",
    "LocalError",
    "MappingRefused",
    "MessageTooLarge",
    "NegotiationEnded",
    "NegotiationFailed",
    "NoAddresses",
    "NoCertificate",
    "NoGateway",
    "NoPeers",
    "NodeStopping",
    "NotFound",
    "PairingRefused",
    "PeerMismatch",
    "PeerUnresponsive",
    "ProtocolViolation",
    "ProxyFailed",
    "ProxyRefused",
    "PublishFailed",
    "QueuesFull",
    "RemoteError",
    "RendezvousRefused",
    "ReservationRefused",
    "SessionEnded",
    "StreamAborted",
    "StreamReset",
    "TransferFailed",
    "Truncated",
    "TwoInitiators",
    "UnsupportedAddress",
    "UnsupportedProtocol",
    "UpgradeTimeout",
    "departed",
    "untraced",
]

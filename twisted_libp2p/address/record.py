# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Peer records: the addresses of a peer, certified by it.

See libp2p/specs, RFC/0003-routing-records.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import Final

from google.protobuf.message import DecodeError

from twisted_libp2p.address.multiaddr import Multiaddr
from twisted_libp2p.errors import InvalidMultiaddr, InvalidRecord
from twisted_libp2p.identity import Envelope, Identity, PeerID
from twisted_libp2p.wire import record_pb2

__all__ = ["MAX_ADDRESSES", "MAX_ENVELOPE", "RFC_TYPE", "PeerRecord"]

#: The size of the largest envelope that is read, in bytes: twice what identify
#: accepts in one message.
MAX_ENVELOPE: Final = 16 * 1024

#: The most addresses of a record that are read.
MAX_ADDRESSES: Final = 500

_DOMAIN: Final = "libp2p-peer-record"
_PAYLOAD_TYPE: Final = b"\x03\x01"

#: The type of a record in the text of the RFC.
RFC_TYPE: Final = b"/libp2p/routing-state-record"

# The number of verified envelopes that are kept with their records, and the largest
# size of one in bytes: together they take some 4 MiB at most.  Each is verified several
# times: for identify and its pushes, for the peerstore, and again when the peer comes
# back; and verifying a signature costs more than the rest of identify.
_REMEMBERED: Final = 64
_USUAL_SIZE: Final = 4096

# The second is the text of the RFC and of rust-libp2p; go-libp2p and js-libp2p have
# the first.
_DOMAINS: Final[Mapping[bytes, str]] = {
    _PAYLOAD_TYPE: _DOMAIN,
    RFC_TYPE: "libp2p-routing-state",
}


@dataclass(frozen=True, slots=True)
class PeerRecord:
    """
    The addresses that a peer names for itself.

    @ivar peerID: the peer.
    @ivar sequence: the sequence number: of two records of a peer the newer one has the
        higher number; it has no other meaning.
    @ivar addresses: the addresses of the peer.
    """

    peerID: PeerID
    sequence: int
    addresses: tuple[Multiaddr, ...]

    def __post_init__(self) -> None:
        """
        Accept a peer id and addresses in text.
        """
        object.__setattr__(self, "peerID", PeerID.of(self.peerID))
        addresses = tuple(Multiaddr.several(self.addresses))
        object.__setattr__(self, "addresses", addresses)

    def seal(self, identity: Identity, asRFC: bool = False) -> bytes:
        """
        Sign the record.

        @param identity: the identity of the peer that the record is about.
        @param asRFC: whether it has the type and the domain of the text of the RFC, as
            only rust-libp2p has, in place of those of all others.
        @return: the envelope, as it is sent.
        @raise InvalidRecord: the record is about another peer, or its sequence number
            does not fit into 64 bits.
        """
        if identity.peerID != self.peerID:
            raise InvalidRecord(f"{identity.peerID} cannot speak for {self.peerID}")
        if not 0 <= self.sequence < 1 << 64:
            raise InvalidRecord(f"{self.sequence} is not a number of 64 bits")
        message = record_pb2.PeerRecord(
            peer_id=self.peerID.toBytes(),
            seq=self.sequence,
            addresses=[
                record_pb2.PeerRecord.AddressInfo(multiaddr=address.toBytes())
                for address in self.addresses
            ],
        )
        payload = message.SerializeToString(deterministic=True)
        kind = RFC_TYPE if asRFC else _PAYLOAD_TYPE
        return Envelope.seal(identity, _DOMAINS[kind], kind, payload).toBytes()

    @classmethod
    def open(cls, data: bytes) -> PeerRecord:
        """
        Verify and read a record.

        Addresses that cannot be read are left out, because peers know protocols that
        we do not; so are those after the first L{MAX_ADDRESSES}.

        @param data: an envelope, in either of the two deployed variants, of at
            most L{MAX_ENVELOPE} bytes.
        @raise InvalidRecord: the data is not the envelope of a record, or another peer
            has signed the record.
        @raise twisted_libp2p.errors.InvalidSignature: the signature is wrong.
        """
        if len(data) <= _USUAL_SIZE:
            return _openUsual(bytes(data))
        if len(data) > MAX_ENVELOPE:
            raise InvalidRecord(f"an envelope of more than {MAX_ENVELOPE} bytes")
        return _open(data)


def _open(data: bytes) -> PeerRecord:
    """
    Verify and read an envelope.
    """
    envelope = Envelope.fromBytes(data)
    domain = _DOMAINS.get(envelope.payloadType)
    if domain is None:
        raise InvalidRecord("an envelope that holds no peer record")
    message = record_pb2.PeerRecord()
    try:
        message.ParseFromString(envelope.open(domain))
    except DecodeError:
        raise InvalidRecord("a record that is no protobuf message") from None
    signer = PeerID.fromKey(envelope.publicKey)
    if message.peer_id != signer.toBytes():
        raise InvalidRecord(f"a record of another peer, signed by {signer}")
    return PeerRecord(
        signer, message.seq, tuple(islice(_readable(message), MAX_ADDRESSES))
    )


_openUsual = lru_cache(_REMEMBERED)(_open)


def _readable(message: record_pb2.PeerRecord) -> Iterator[Multiaddr]:
    for info in message.addresses:
        try:
            yield Multiaddr.fromBytes(info.multiaddr)
        except InvalidMultiaddr:
            continue

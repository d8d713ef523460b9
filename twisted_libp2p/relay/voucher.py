# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Vouchers: the signature of a relay below a reservation.

See libp2p/specs, relay/circuit-v2.md, "Reservation Vouchers".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from google.protobuf.message import DecodeError

from twisted_libp2p.errors import InvalidPeerID, InvalidRecord
from twisted_libp2p.identity import Envelope, Identity, PeerID
from twisted_libp2p.wire import circuit_pb2

__all__ = ["Voucher"]

_DOMAIN: Final = "libp2p-relay-rsvp"
_PAYLOAD_TYPE: Final = b"\x03\x02"


@dataclass(frozen=True, slots=True)
class Voucher:
    """
    A certificate that a relay has a place for a peer.

    @ivar relay: the relay.
    @ivar peer: the peer.
    @ivar expiration: when it ends, in seconds since the epoch.
    """

    relay: PeerID
    peer: PeerID
    expiration: int

    def seal(self, identity: Identity) -> bytes:
        """
        Sign the voucher.

        @param identity: the identity of the relay.
        @return: the envelope, as it is sent.
        """
        payload = circuit_pb2.ReservationVoucher(
            relay=self.relay.toBytes(),
            peer=self.peer.toBytes(),
            expiration=self.expiration,
        ).SerializeToString(deterministic=True)
        return Envelope.seal(identity, _DOMAIN, _PAYLOAD_TYPE, payload).toBytes()

    @classmethod
    def open(cls, data: bytes) -> Voucher:
        """
        Verify and read a voucher.

        @raise InvalidRecord: the data is not the envelope of a voucher, or another
            peer than the relay has signed it.
        @raise twisted_libp2p.errors.InvalidSignature: the signature is wrong.
        """
        envelope = Envelope.fromBytes(data)
        if envelope.payloadType != _PAYLOAD_TYPE:
            raise InvalidRecord("an envelope that holds no voucher")
        message = circuit_pb2.ReservationVoucher()
        try:
            message.ParseFromString(envelope.open(_DOMAIN))
            relay, peer = map(PeerID.fromBytes, (message.relay, message.peer))
        except (DecodeError, InvalidPeerID) as error:
            raise InvalidRecord(f"a malformed voucher: {error}") from None
        signer = PeerID.fromKey(envelope.publicKey)
        if relay != signer:
            raise InvalidRecord(f"a voucher of {relay}, signed by {signer}")
        return cls(relay, peer, message.expiration)

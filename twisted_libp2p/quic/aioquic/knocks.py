# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Peers that want to connect, before aioquic has an object for them.

Nothing is kept of a datagram that was not made for us: the first packet of a connection
is decrypted before, with the keys that follow from its connection id.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field

from aioquic.buffer import Buffer  # type: ignore[attr-defined]
from aioquic.quic.crypto import (  # type: ignore[attr-defined]
    CryptoError,
    CryptoPair,
)
from aioquic.quic.packet import (
    QuicErrorCode,
    QuicFrameType,
    QuicPacketType,
    encode_quic_retry,
    encode_quic_version_negotiation,
    pull_quic_header,
)
from aioquic.quic.packet_builder import QuicPacketBuilder

from twisted_libp2p.interfaces import Knock, QuicSettings, SentDatagram
from twisted_libp2p.quic.headers import (
    CONNECTION_ID_SIZE,
    MINIMUM_INITIAL,
    VERSION_1,
    isInitial,
    sourceID,
    version,
)
from twisted_libp2p.quic.tokens import Tokens

__all__ = ["SAFE_SIZE", "Knocks", "Waiting"]

Address = tuple[str, int]

#: The bytes of a UDP datagram that every path carries.
SAFE_SIZE = 1200

#: The most datagrams kept for a knock that nobody has decided.
_MAX_KEPT = 8


@dataclass
class Waiting:
    """
    A peer that wants to connect.

    @ivar target: the connection id that it has chosen for us.
    @ivar source: its own connection id.
    @ivar original: the connection id before a Retry; None if there was none.
    @ivar validated: whether it has proven its address.
    @ivar datagrams: its datagrams so far.
    """

    address: Address
    target: bytes
    source: bytes
    original: bytes | None
    validated: bool
    retryable: bool
    datagrams: list[bytes] = field(default_factory=list)


class Knocks:
    """
    The knocks of one endpoint that are not decided.
    """

    def __init__(self, settings: QuicSettings, tokens: Tokens) -> None:
        self._settings = settings
        self._tokens = tokens
        self._last = 0
        self._waiting: dict[int, Waiting] = {}
        self._waitingByID: dict[tuple[Address, bytes], Waiting] = {}

    def stranger(
        self,
        data: bytes,
        address: Address,
        target: bytes,
        answers: list[SentDatagram],
    ) -> Knock | None:
        """
        Take a packet with a long header that belongs to no connection.

        @param target: the connection id to which it is sent.
        @param answers: takes the answer, if there is one.
        @return: the knock, if it is the first packet of one.
        """
        spoken = version(data)
        source = sourceID(data)
        if len(data) < MINIMUM_INITIAL or source is None or not spoken or not target:
            return None
        if spoken != VERSION_1:
            packet = encode_quic_version_negotiation(
                source_cid=target,
                destination_cid=source,
                supported_versions=[VERSION_1],
            )
            answers.append(SentDatagram(packet, *address))
            return None
        waiting = self._waitingByID.get((address, target))
        if waiting is not None:
            if len(waiting.datagrams) < _MAX_KEPT:
                waiting.datagrams.append(data)
            return None
        if len(self._waiting) >= self._settings.maxIncoming or not isInitial(data):
            return None
        token = self._opens(data, target)
        if token is None:
            return None
        proof = self._tokens.check(token, *address, target) if token else None
        waiting = Waiting(
            address,
            target,
            source,
            None if proof is None else proof.original,
            proof is not None,
            proof is None or proof.original is None,
            [data],
        )
        self._last += 1
        number = self._last
        self._waiting[number] = self._waitingByID[address, target] = waiting
        return Knock(number, *address, waiting.validated, waiting.retryable)

    @staticmethod
    def _opens(data: bytes, target: bytes) -> bytes | None:
        """
        Decrypt the first packet of a stranger, before anything is kept of it.

        @return: its token; None if it is no Initial that was made for us.
        """
        buf = Buffer(data=data)
        try:
            header = pull_quic_header(buf, host_cid_length=CONNECTION_ID_SIZE)
            pair = CryptoPair()
            pair.setup_initial(cid=target, is_client=False, version=VERSION_1)
            pair.decrypt_packet(data[: header.packet_length], buf.tell(), 0)
        except (ValueError, CryptoError):
            return None
        return header.token

    def decided(self, knock: int) -> Waiting | None:
        """
        Remove a knock, since it is decided.

        @return: None if it was decided before.
        """
        waiting = self._waiting.pop(knock, None)
        if waiting is not None:
            del self._waitingByID[waiting.address, waiting.target]
        return waiting

    def retry(self, knock: int) -> list[SentDatagram]:
        """
        Have the peer prove its address.
        """
        waiting = self.decided(knock)
        if waiting is None or not waiting.retryable:
            return []
        source = os.urandom(CONNECTION_ID_SIZE)
        packet = encode_quic_retry(
            version=VERSION_1,
            source_cid=source,
            destination_cid=waiting.source,
            original_destination_cid=waiting.target,
            retry_token=self._tokens.retry(*waiting.address, waiting.target, source),
        )
        return [SentDatagram(packet, *waiting.address)]

    def refuse(self, knock: int) -> list[SentDatagram]:
        """
        Refuse a peer.
        """
        waiting = self.decided(knock)
        if waiting is None:
            return []
        pair = CryptoPair()
        pair.setup_initial(cid=waiting.target, is_client=False, version=VERSION_1)
        builder = QuicPacketBuilder(
            host_cid=waiting.target,
            peer_cid=waiting.source,
            version=VERSION_1,
            is_client=False,
            max_datagram_size=SAFE_SIZE,
        )
        builder.start_packet(QuicPacketType.INITIAL, pair)
        buf = builder.start_frame(QuicFrameType.TRANSPORT_CLOSE, capacity=16)
        buf.push_uint_var(QuicErrorCode.CONNECTION_REFUSED)
        buf.push_uint_var(QuicFrameType.PADDING)
        buf.push_uint_var(0)
        sent, _ = builder.flush()
        return [SentDatagram(each, *waiting.address) for each in sent]

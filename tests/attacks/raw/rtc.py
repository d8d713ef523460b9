# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
A peer of WebRTC-direct, whose channels are written by hand.
"""

from __future__ import annotations

import os
import select
import socket
import time
from collections import defaultdict
from collections.abc import Callable

from twisted_libp2p.identity import Identity
from twisted_libp2p.interfaces import Handshake, Role
from twisted_libp2p.quic.webtransport.certificate import CertificateWindow
from twisted_libp2p.security.noise.handshake import NoiseHandshake
from twisted_libp2p.security.noise.payload import StaticKey
from twisted_libp2p.webrtc.association import Association, Ice
from twisted_libp2p.webrtc.messages import Flag, MessageReader, encode
from twisted_libp2p.webrtc.native import RtcEvent, connections
from twisted_libp2p.webrtc.serving import prologue

__all__ = ["RtcPeer"]

#: The channel of the handshake of Noise.
_PROOF = 0


class RtcPeer:
    """
    One connection.

    @ivar machine: DTLS and SCTP.
    @ivar name: the user name of its requests of STUN.
    @ivar ready: whether they are ready.
    @ivar ended: the reason for the end; None so far.
    @ivar reads: whether channels are read.
    @ivar deaf: whether datagrams are not received.
    @ivar received: the data of the channels.
    @ivar resets: the channels that the node has reset.
    @ivar sent: how many bytes of datagrams were sent.
    @ivar answered: how many have come.
    """

    def __init__(self, where: tuple[str, int], host: str = "") -> None:
        """
        @param where: the address of the node.
        @param host: the address of this peer, one of loopback; any by default.
        """
        self._identity = Identity.generate()
        certificate = CertificateWindow(self._identity, time.time).present()
        self.machine = connections(certificate).make(time.monotonic(), True)
        ice = Ice(os.urandom)
        self.name = ice.ufrag
        self._below = Association(
            self.machine, certificate.hash, *where, time.monotonic(), ice
        )
        self._pipe = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._pipe.bind((host, 0))
        self._pipe.connect(where)
        self._pipe.setblocking(False)
        self._readers: dict[int, MessageReader] = defaultdict(MessageReader)
        self._due: float | None = 0.0
        self.ready = False
        self.ended: str | None = None
        self.reads = True
        self.deaf = False
        self.received: dict[int, bytearray] = defaultdict(bytearray)
        self.resets: set[int] = set()
        self.sent = self.answered = 0

    def turn(self, seconds: float = 0.0) -> None:
        """
        Send what is to be sent, and take what comes in some time.
        """
        sent, events, self._due, _ = self._below.poll(time.monotonic())
        for each in sent:
            step = each.segment or len(each.data) or 1
            for begin in range(0, len(each.data), step):
                self._send(each.data[begin : begin + step])
        for event in events:
            self._happened(*event)
        if events or self.deaf or not select.select([self._pipe], [], [], seconds)[0]:
            return
        for data in self.hear():
            self._below.receive(time.monotonic(), data)

    def hear(self) -> list[bytes]:
        """
        Return the datagrams that have come.
        """
        found: list[bytes] = []
        while len(found) < 64:
            try:
                found.append(self._pipe.recv(65535))
            except OSError:
                break
        self.answered += sum(map(len, found))
        return found

    def _send(self, data: bytes) -> None:
        self.sent += len(data)
        try:
            self._pipe.send(data)
        except OSError:
            # As if it were lost.
            return

    def _happened(self, kind: object, *rest: object) -> None:
        if kind == RtcEvent.CONNECTED:
            self.ready = True
        elif kind == RtcEvent.LOST:
            self.ended = str(rest[-1]) or "closed"
        elif kind == RtcEvent.READABLE and self.reads:
            (channel,) = rest
            assert isinstance(channel, int)
            data, _ = self.machine.read(channel, 1 << 20)
            for each in self._readers[channel].feed(data):
                self.received[channel] += each.data
                if each.flag is Flag.RESET:
                    self.resets.add(channel)

    def run(self, seconds: float, until: Callable[[], bool] = lambda: False) -> bool:
        """
        Go on for some time, or until something holds, or to the end.

        @return: whether it holds.
        """
        end = time.monotonic() + seconds
        while not until():
            if self.ended is not None or time.monotonic() > end:
                return False
            self.turn(0.02)
        return True

    def prove(self, seconds: float = 5.0) -> bool:
        """
        Go through the handshakes.

        @return: whether the node has begun that of Noise, and got our proof.
        """
        if not self.run(seconds, lambda: self.ready):
            return False
        handshake = Handshake(
            self._identity, Role.SERVER, None, (), lambda reason: None
        )
        noise = NoiseHandshake(
            handshake,
            StaticKey.sign(self._identity),
            prologue=prologue(self._below),
        )

        noise.start()

        def proven() -> bool:
            data, self.received[_PROOF] = self.received[_PROOF], bytearray()
            answer = noise.receive(bytes(data)) if data else b""
            if answer:
                self.say(_PROOF, answer)
            return noise.secured is not None

        return self.run(seconds, proven)

    def say(self, channel: int, data: bytes) -> None:
        """
        Send a message of a stream.
        """
        for each in encode(data):
            self.machine.write(channel, each)

    def close(self) -> None:
        """
        Close the connection.
        """
        self._below.close(time.monotonic())
        self.turn()
        self.vanish()

    def vanish(self) -> None:
        """
        Close the socket without a word.
        """
        self._pipe.close()

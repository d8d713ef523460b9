# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The receiver of files.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from typing import Any, Final

from twisted.application.service import Service
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IAddress, IHalfCloseableProtocol
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_libp2p.address import PeerAddress
from twisted_libp2p.errors import InvalidInput, TransferFailed
from twisted_libp2p.identity import PeerID
from twisted_libp2p.interfaces import IHost, IHostService
from twisted_libp2p.limits.refusallog import RefusalLog
from twisted_libp2p.logger import Logger
from twisted_libp2p.pacing import Deadline
from twisted_libp2p.transfer.messages import (
    MAX_MESSAGE,
    PROTOCOL_ID,
    STALL_TIME,
    Offer,
    writeMessage,
)
from twisted_libp2p.transfer.part import Part, partName
from twisted_libp2p.wire.frames import FrameBuffer

__all__ = ["MAX_TRANSFERS", "OFFER_TIME", "Receiver", "Refusal"]

#: Seconds for an offer.
OFFER_TIME: Final = 10.0

#: Number of files that are received at once.
MAX_TRANSFERS: Final = 8

#: Returns the reason why a peer may not send a file; None if it may.
Refusal = Callable[[PeerID, Offer], str | None]

_log = Logger()


@implementer(IHalfCloseableProtocol)
class _Reception(Protocol):
    """
    One file.
    """

    transport: Any

    def __init__(self, receiver: Receiver, peer: PeerID) -> None:
        self._receiver = receiver
        self.peer = peer
        self._frames = FrameBuffer(MAX_MESSAGE)
        self._deadline: Deadline | None = None
        self.offer: Offer | None = None
        self._part: Part | None = None
        self._accepting: Deferred[None] | None = None
        self._over = False
        # The name that the complete file has got.
        self._name: str | None = None

    def connectionMade(self) -> None:
        """
        Wait for the offer.
        """
        self._deadline = Deadline(self._receiver.host.clock, OFFER_TIME, self._late)

    def _late(self) -> None:
        """
        Cut off a peer that sends nothing.
        """
        self._deadline = None
        self.transport.abortConnection()

    def dataReceived(self, data: bytes) -> None:
        """
        Take in the offer, and then the bytes of the file.
        """
        if self._over:
            return
        try:
            if self._part is not None:
                self._part.write(data)
                if self._deadline is not None:
                    self._deadline.reset(STALL_TIME)
                self._receiver.progress(self.offer, self._part.size)
            else:
                self._offered(data)
        except (InvalidInput, TransferFailed, OSError) as error:
            self._fail(error)

    def _offered(self, data: bytes) -> None:
        """
        Take in the offer.

        @raise InvalidInput: it is malformed, or bytes follow it before our answer.
        """
        if self.offer is not None:
            raise InvalidInput("bytes before the answer to the offer")
        self._frames.feed(data)
        message = next(self._frames, None)
        if message is None:
            return
        self._stopClock()
        self.offer = Offer.parse(message)
        if self._frames.trailingData:
            raise InvalidInput("bytes before the answer to the offer")
        self._accepting = Deferred.fromCoroutine(self._accept(self.offer))
        self._accepting.addErrback(self._failed)

    async def _accept(self, offer: Offer) -> None:
        """
        Open the file, and ask for the missing bytes.
        """
        part = self._receiver.open(self, offer)
        try:
            await part.resume(self._receiver.host.clock)
            self._receiver.checkRoom(part)
        except BaseException:
            part.close()
            raise
        if self._over:
            part.close()
            return
        self._part = part
        self._deadline = Deadline(self._receiver.host.clock, STALL_TIME, self._late)
        self.transport.write(writeMessage({"offset": part.size}))

    def readConnectionLost(self) -> None:
        """
        Check the file: no further bytes come.
        """
        if self._part is not None and not self._over:
            try:
                self._name = self._part.finish()
            except (TransferFailed, OSError) as error:
                self._fail(error)
                return
            self._over = True
            self.transport.write(writeMessage({"done": True}))
        self.transport.loseConnection()

    def writeConnectionLost(self) -> None:
        """
        Do nothing: the peer waits for no answer.
        """

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        Close the file.
        """
        self._stopClock()
        self._over = True
        if self._accepting is not None:
            # A long file may still be read for its hash.
            self._accepting.cancel()
        if self._part is not None:
            self._part.close()
        self._receiver.ended(self, self._name)

    def supersede(self) -> None:
        """
        End without a result, since the same file is offered again.
        """
        self._over = True
        if self._part is not None:
            self._part.close()
        self.transport.abortConnection()

    def _failed(self, reason: Failure) -> None:
        if not reason.check(CancelledError, InvalidInput, TransferFailed, OSError):
            _log.failure("a file was not received", reason)
        assert reason.value is not None
        self._fail(reason.value)

    def _fail(self, error: BaseException) -> None:
        """
        Report an error to the peer, and end.
        """
        if self._over:
            return
        self._over = True
        # The peer does not learn the paths of this machine.
        text = (
            str(error.strerror or type(error).__name__)
            if isinstance(error, OSError)
            else str(error)
        )
        self._receiver.refused(self.peer, text, self._part is not None)
        self.transport.write(writeMessage({"error": text}))
        self.transport.loseConnection()

    def _stopClock(self) -> None:
        deadline, self._deadline = self._deadline, None
        if deadline is not None:
            deadline.cancel()


@implementer(IHostService)
class Receiver(Service):
    """
    Receives files of permitted peers into a folder.  It never overwrites a file.
    """

    name = "files"

    def __init__(
        self,
        folder: str,
        refusal: Refusal,
        received: Callable[[PeerID, Offer, str], object],
        progress: Callable[[Any, int], object] = lambda offer, size: None,
    ) -> None:
        """
        @param folder: the folder of the files, which exists.
        @param refusal: decides about each offer.
        @param received: called with each complete file and its name in the folder,
            after the peer has heard of it.
        @param progress: called with an offer and the number of its bytes that are here.
        """
        self._folder = folder
        self._refusal = refusal
        self._received = received
        self.progress = progress
        self._running: dict[tuple[str, str], _Reception] = {}
        self._host: IHost | None = None
        self._refusals: RefusalLog | None = None

    @property
    def host(self) -> IHost:
        """
        The node.
        """
        assert self._host is not None
        return self._host

    @property
    def parts(self) -> set[str]:
        """
        The names of the incomplete files that are being received.
        """
        offers = (each.offer for each in self._running.values())
        return {partName(offer) for offer in offers if offer is not None}

    def attach(self, host: IHost) -> None:
        """
        Serve the protocol.
        """
        self._host = host
        self._refusals = RefusalLog(host.clock.seconds, host.events)
        host.registry.register(PROTOCOL_ID, ReceptionFactory(self))

    def open(self, reception: _Reception, offer: Offer) -> Part:
        """
        Open the file of an offer.

        @raise TransferFailed: it is not wanted.
        @raise OSError: the folder cannot be used.
        """
        refusal = self._refusal(reception.peer, offer)
        if refusal is not None:
            raise TransferFailed(refusal)
        key = offer.name, offer.digest
        earlier = self._running.pop(key, None)
        if earlier is not None:
            # Its connection was lost, and we have not noticed yet.
            earlier.supersede()
        if len(self._running) >= MAX_TRANSFERS:
            raise TransferFailed(f"{MAX_TRANSFERS} files are being received already")
        part = Part(self._folder, offer)
        self._running[key] = reception
        return part

    def checkRoom(self, part: Part) -> None:
        """
        Check that the disk has room for the rest of a file.

        @raise TransferFailed: it has not.
        """
        if shutil.disk_usage(self._folder).free < part.missing:
            raise TransferFailed(f"the disk has no room for {part.missing} bytes")

    def ended(self, reception: _Reception, name: str | None) -> None:
        """
        Forget a file, and report it if it is complete.

        @param name: its name in the folder; None if it is not complete.
        """
        offer = reception.offer
        if offer is None:
            return
        key = offer.name, offer.digest
        if self._running.get(key) is reception:
            del self._running[key]
        if name is not None:
            self._received(reception.peer, offer, name)

    def refused(self, peer: PeerID, reason: str, permitted: bool) -> None:
        """
        Log that a file was not received, unless that has happened just now.

        @param permitted: whether the peer may send files.  Strangers cannot hide what
            happens to the files of the others.
        """
        assert self._refusals is not None
        kind = "file" if permitted else "file of a stranger"
        self._refusals.refused(kind, peer, f"a file was not received: {reason}")


class ReceptionFactory(Factory):
    """
    Builds the receiving ends of streams.
    """

    noisy = False

    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver

    def buildProtocol(self, addr: IAddress | None) -> _Reception | None:
        """
        Receive one file.
        """
        if not isinstance(addr, PeerAddress):
            return None
        return _Reception(self._receiver, addr.peerID)

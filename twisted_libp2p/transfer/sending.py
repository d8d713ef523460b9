# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The sender of a file.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import IO, Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IHalfCloseableProtocol, IReactorTime
from twisted.internet.protocol import Protocol, connectionDone
from twisted.protocols.basic import FileSender
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_libp2p.connection.building import StreamFactory
from twisted_libp2p.errors import (
    ConfigurationError,
    InvalidInput,
    ProtocolViolation,
    StreamAborted,
    TransferFailed,
)
from twisted_libp2p.interfaces import IConnection
from twisted_libp2p.pacing import Deadline
from twisted_libp2p.transfer.messages import (
    MAX_MESSAGE,
    PROTOCOL_ID,
    STALL_TIME,
    Offer,
    checkFileName,
    parseMessage,
)
from twisted_libp2p.transfer.part import hashFile
from twisted_libp2p.wire.frames import FrameBuffer

__all__ = ["Sender"]


class _FileSender(FileSender):
    """
    Reads as much at once as a frame of yamux carries quickly.
    """

    CHUNK_SIZE = 1 << 16


@implementer(IHalfCloseableProtocol)
class _Sending(Protocol):
    """
    One attempt to send a file.

    @ivar result: fires when the receiver has the file.
    """

    transport: Any

    def __init__(
        self,
        clock: IReactorTime,
        offer: Offer,
        file: IO[bytes],
        progress: Callable[[int], None],
    ) -> None:
        self._clock = clock
        self._deadline: Deadline | None = None
        self._offer = offer
        self._file = file
        self._progress = progress
        self._frames = FrameBuffer(MAX_MESSAGE)
        self._begun = False
        self.result: Deferred[None] = Deferred()

    def connectionMade(self) -> None:
        """
        Offer the file.
        """
        self.transport.write(self._offer.toBytes())

    def dataReceived(self, data: bytes) -> None:
        """
        Obey the answers.
        """
        try:
            self._frames.feed(data)
            for each in self._frames:
                if self.result.called:
                    # The file is closed already.
                    return
                self._answered(parseMessage(each))
        except InvalidInput as error:
            self._end(ProtocolViolation(PROTOCOL_ID, str(error)))

    def _answered(self, answer: dict[str, Any]) -> None:
        """
        Obey one answer.

        @raise InvalidInput: it is malformed.
        """
        offset = answer.get("offset")
        if isinstance(answer.get("error"), str):
            self._end(TransferFailed(answer["error"]))
        elif answer.get("done") is True and self._begun:
            self._end(None)
        elif (
            type(offset) is int and 0 <= offset <= self._offer.size and not self._begun
        ):
            self._begun = True
            self._deadline = Deadline(self._clock, STALL_TIME, self._stalled)
            self._file.seek(offset)
            self._progress(offset)
            sender = _FileSender()
            sending = sender.beginFileTransfer(self._file, self.transport, self._count)
            sending.addCallbacks(self._sent, lambda _: None)
        else:
            raise InvalidInput("an unknown answer")

    def _count(self, data: bytes) -> bytes:
        if self._deadline is not None:
            self._deadline.reset(STALL_TIME)
        self._progress(self._file.tell())
        return data

    def _stalled(self) -> None:
        """
        Interrupt the transfer, which may go on with another stream.
        """
        self._deadline = None
        self._end(
            StreamAborted(f"the peer has taken no byte for {STALL_TIME:g} seconds")
        )

    def _sent(self, _: object) -> None:
        """
        End our direction: no further bytes come.
        """
        if not self.result.called:
            self.transport.loseWriteConnection()

    def readConnectionLost(self) -> None:
        """
        Fail, unless there is a result.
        """
        self._end(TransferFailed("the peer has ended the stream without a result"))

    def writeConnectionLost(self) -> None:
        """
        Do nothing: the answer says why.
        """

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        Fail, unless there is a result.
        """
        self._end(reason.value)

    def _end(self, error: BaseException | None) -> None:
        if self.result.called:
            return
        deadline, self._deadline = self._deadline, None
        if deadline is not None:
            deadline.cancel()
        if error is None:
            self.transport.loseConnection()
            self.result.callback(None)
        else:
            self.transport.abortConnection()
            self.result.errback(error)


class Sender:
    """
    Sends a file, over as many connections as that takes.

    @ivar offer: the offer.
    @ivar done: the bytes that the receiver had at the beginning of the last attempt,
        and the bytes sent since.
    """

    def __init__(self, path: str, progress: Callable[[int], object]) -> None:
        """
        @param path: the file.
        @param progress: called with the number of bytes that are there, or on the way.
        @raise ConfigurationError: it cannot be read, or sent under its name.
        """
        self._path = path
        self._report = progress
        self.offer = Offer("", 0, "")
        self.done = 0
        self._clock: IReactorTime | None = None
        name = os.path.basename(path)
        try:
            checkFileName(name)
        except InvalidInput:
            raise ConfigurationError(
                f"{path}: no file can be received under this name: give it another one"
            ) from None
        if not os.path.isfile(path):
            raise ConfigurationError(f"there is no file {path}")

    async def prepare(self, clock: IReactorTime, secret: bytes = b"") -> None:
        """
        Read the file, for its digest.

        @param secret: the secret of a ticket.
        @raise OSError: it cannot be read.
        """
        self._clock = clock
        with open(self._path, "rb") as file:
            hashed = await hashFile(clock, file)
            size = file.tell()
        name = os.path.basename(self._path)
        self.offer = Offer(name, size, hashed.hexdigest(), secret)

    async def send(self, connection: IConnection) -> None:
        """
        Send the missing bytes.

        @raise TransferFailed: the receiver refuses the file.
        @raise Exception: the stream was lost.
        """
        assert self._clock is not None
        with open(self._path, "rb") as file:
            sending = _Sending(self._clock, self.offer, file, self._progressed)
            await connection.openStream(
                PROTOCOL_ID, StreamFactory(lambda: sending), allowLimited=True
            )
            await sending.result

    def _progressed(self, done: int) -> None:
        self.done = done
        self._report(done)

# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The channel of TLS: OpenSSL seals and opens the records.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from typing import Final

from OpenSSL import SSL

from twisted_libp2p.errors import ProtocolViolation
from twisted_libp2p.security.machine import Channel
from twisted_libp2p.security.tls.verdict import PROTOCOL_ID

__all__ = [
    "ENDS",
    "MOST_ANSWERED",
    "MOST_DELAYED",
    "Ends",
    "TLSChannel",
    "explain",
    "said",
]

#: Maximum number of bytes that wait for the end of a message of the peer.
MOST_DELAYED: Final = 1024 * 1024

#: Maximum number of bytes that OpenSSL answers by itself while we write nothing; a key
#: update takes 27.
MOST_ANSWERED: Final = 4096

# The number of bytes to seal at once: fewer calls cost less.
_PIECE: Final = 64 * 1024

# The bytes that OpenSSL adds: 22 for a record, and perhaps a key update.
_ADDED: Final = 256

# OpenSSL's own messages are rarely longer.
_FLIGHT: Final = 4096

# The largest content of a record: OpenSSL returns one record after the other.
_LONGEST_CONTENT: Final = 2**14


class Ends(IntEnum):
    """
    The state of both directions of a channel.  Nothing is sealed from C{CLOSED} on, and
    nothing is sent from C{FAILED} on.
    """

    OPEN = 0
    #: The peer has announced its end.
    ENDED = 1
    #: Our side has announced its end, or will after delayed data.
    CLOSED = 2
    #: Both have.
    DONE = 3
    #: The peer has broken the protocol, or sent an alert.
    FAILED = 4
    #: The peer has announced its end in the middle of a message.
    BROKEN = 5


_OPEN, _ENDED, _CLOSED, _DONE, _FAILED, _BROKEN = Ends

#: The next state for each state and event; other events change nothing.
ENDS: Final[dict[tuple[Ends, str], Ends]] = {
    (_OPEN, "close"): _CLOSED,
    (_ENDED, "close"): _DONE,
    (_OPEN, "peer ends"): _ENDED,
    (_CLOSED, "peer ends"): _DONE,
    (_OPEN, "fail"): _FAILED,
    (_CLOSED, "fail"): _FAILED,
    (_ENDED, "fail"): _BROKEN,
    (_DONE, "fail"): _BROKEN,
}


class TLSChannel(Channel):
    """
    A connection after its handshake.

    OpenSSL handles records, tickets, key updates and alerts.  While only a part of a
    ticket, or of another such message, has arrived, OpenSSL seals nothing: written data
    waits for L{late}, and is lost if the peer announces its end there.

    Both sides announce their end by C{close_notify}.

    @ivar alert: the error in an alert of the peer; None without an alert.
    """

    announces = True

    __slots__ = (
        "_answered",
        "_client",
        "_delayed",
        "_ends",
        "_heard",
        "_tls",
        "_unanswered",
        "alert",
        "ended",
        "farewell",
    )

    def __init__(self, tls: SSL.Connection, client: bool) -> None:
        """
        @param tls: the connection, with memory for a transport, whose handshake
            is done.  It may already hold later bytes.
        @param client: whether our side is the client.
        """
        self._tls = tls
        self._client = client
        self._heard = False
        self._delayed: bytearray | None = None
        self._answered = 0
        self._unanswered = 0
        self._ends = _OPEN
        self.ended = False
        self.alert: str | None = None
        self.farewell: bytes = b""

    def _advance(self, event: str) -> None:
        """
        Go to the next state.
        """
        self._ends = ENDS.get((self._ends, event), self._ends)
        self.ended = self._ends in (_ENDED, _DONE, _BROKEN)

    @property
    def truncated(self) -> bool:  # type: ignore[override]
        """
        Whether the end has not been announced.
        """
        return not self.ended

    @property
    def refused(self) -> bool:  # type: ignore[override]
        """
        Whether the server has refused us: a client is secured before the server has
        judged its certificate, so until the client has received data, an alert is that
        refusal.
        """
        return self._client and self.alert is not None and not self._heard

    @property
    def waiting(self) -> bool:  # type: ignore[override]
        """
        Whether data has to wait for the end of a message of the peer.
        """
        return self._delayed is not None

    @property
    def overdue(self) -> bool:  # type: ignore[override]
        """
        Whether too much data waits for the end of a message of the peer, or too much
        was answered to such messages.
        """
        delayed = 0 if self._delayed is None else len(self._delayed)
        return delayed > MOST_DELAYED or self._answered > MOST_ANSWERED

    def seal(self, pieces: Sequence[bytes]) -> list[bytes]:
        """
        Put data into as few records as possible; it is dropped after L{close}.
        """
        if self._ends >= _CLOSED:
            return []
        data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        if self._delayed is not None:
            self._delayed += data
            return []
        return self._seal(data)

    def _seal(self, data: bytes | bytearray) -> list[bytes]:
        sealed: list[bytes] = []
        view = memoryview(data)
        for start in range(0, len(view), _PIECE):
            piece = view[start : start + _PIECE]
            try:
                self._tls.send(piece)
            except SSL.WantReadError:
                if start == 0 and isinstance(data, bytearray):
                    # A peer that goes on byte by byte must not cause a copy each time.
                    self._delayed = data
                else:
                    self._delayed = bytearray(view[start:])
                break
            except SSL.ZeroReturnError:
                # The peer has ended in the middle of a message; OpenSSL would raise
                # an error at another attempt.
                self._advance("fail")
                break
            self._answered = 0
            sealed.append(said(self._tls, len(piece) + _ADDED))
        return sealed

    def late(self) -> list[bytes]:
        """
        Return the bytes to send after something was opened: OpenSSL's own answers, and
        data that had to wait.  The wrapper calls it when a read has brought no data,
        and now and then; answers also leave with sealed data.

        @return: the bytes for the transport, in any number of pieces.
        """
        if self._ends >= _FAILED or (
            self._unanswered < _PIECE and self._delayed is None
        ):
            return []
        self._unanswered = 0
        sealed: list[bytes] = []
        answer = said(self._tls)
        if answer:
            self._answered += len(answer)
            sealed.append(answer)
        if self._delayed is not None:
            data, self._delayed = self._delayed, None
            sealed += self._seal(data)
            if self._ends in (_CLOSED, _DONE) and self._delayed is None:
                sealed.append(self._end())
        return sealed

    def close(self) -> bytes:
        """
        Announce our end: nothing is sealed from now on.

        @return: the bytes to send; none if the end was announced before, or has to
            wait.
        """
        if self._ends >= _CLOSED:
            return b""
        self._advance("close")
        return self._end() if self._delayed is None else b""

    def _end(self) -> bytes:
        try:
            self._tls.shutdown()
        except SSL.Error:
            # The peer is in the middle of a message, and may have ended there.
            if self.ended:
                self._advance("fail")
            else:
                self._delayed = bytearray()
        return said(self._tls)

    def open(self, data: bytes, opened: list[bytes]) -> None:
        """
        Decrypt the records that these bytes complete.  Bytes after the peer's
        C{close_notify} are ignored.

        @raise ProtocolViolation: the peer did not send these bytes, or broke the
            protocol, or sent an alert.
        """
        if self.ended or self._ends is _FAILED:
            return
        if data:
            self._tls.bio_write(data)
        self._unanswered += len(data)
        receive = self._tls.recv
        before = len(opened)
        try:
            while True:
                opened.append(receive(_LONGEST_CONTENT))
        except SSL.WantReadError:
            # The rest is less than a record.
            if len(opened) == before:
                self._unanswered = _PIECE
        except SSL.ZeroReturnError:
            self._advance("peer ends")
        except SSL.Error as error:
            self._advance("fail")
            self.farewell = said(self._tls)
            text, self.alert = explain(error)
            raise ProtocolViolation(PROTOCOL_ID, text) from None
        finally:
            self._heard = self._heard or len(opened) > before


def said(tls: SSL.Connection, size: int = _FLIGHT) -> bytes:
    """
    Take all bytes that OpenSSL has for the peer.

    @param size: their probable number; a little more costs nothing.
    """
    data = b""
    try:
        while True:
            piece = tls.bio_read(size)
            data += piece
            if len(piece) < size:
                return data
    except SSL.WantReadError:
        return data


def explain(error: SSL.Error) -> tuple[str, str | None]:
    """
    Describe an error of OpenSSL.

    @return: the text; and the alert, if the peer has sent one.
    """
    # Some errors of OpenSSL have no text.
    errors = error.args[0] if error.args and isinstance(error.args[0], list) else ()
    text = "; ".join(reason for _, _, reason in errors) or type(error).__name__
    _, isAlert, alert = text.partition(" alert ")
    if isAlert:
        return f"the peer sent the alert: {alert}", alert
    return text, None

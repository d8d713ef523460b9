# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The message of a topic, and its bytes.

See libp2p/specs, pubsub/README.md.
"""

from __future__ import annotations

from typing import Final

from twisted_libp2p.wire import varint

__all__ = ["Message"]

_FROM: Final = b"\x0a"
_DATA: Final = b"\x12"
_SEQNO: Final = b"\x1a"
_TOPIC: Final = b"\x22"
_SIGNATURE: Final = b"\x2a"
_KEY: Final = b"\x32"

#: The tag of a message inside an RPC.
_PUBLISH: Final = b"\x12"


class Message:
    """
    A message of a topic.

    A field that the sender has left out is None: an absent field differs from an empty
    one in the signed bytes.

    @ivar topic: its topic.
    @ivar content: the data of the message, or None.
    @ivar source: the peer id of its author, in bytes.
    @ivar sequence: the sequence number of its author, usually 8 bytes.
    @ivar signature: the signature of its author.
    @ivar key: the public key of its author, if the peer id does not contain it.
    @ivar id: its id, as the topic computes it; empty until then.
    """

    __slots__ = (
        "_entry",
        "content",
        "id",
        "key",
        "sequence",
        "signature",
        "source",
        "topic",
    )

    def __init__(
        self,
        topic: str,
        content: bytes | None,
        source: bytes | None = None,
        sequence: bytes | None = None,
        signature: bytes | None = None,
        key: bytes | None = None,
    ) -> None:
        self.topic = topic
        self.content = content
        self.source = source
        self.sequence = sequence
        self.signature = signature
        self.key = key
        self.id = b""
        self._entry: bytes | None = None

    @property
    def data(self) -> bytes:
        """
        The data of the message; empty if the sender has left it out.
        """
        return self.content or b""

    def unsigned(self) -> bytes:
        """
        Return the bytes of the message without its signature and its key: the
        signature covers these, and all implementations leave the key out.
        """
        return b"".join(
            [
                _field(_FROM, self.source),
                _field(_DATA, self.content),
                _field(_SEQNO, self.sequence),
                _field(_TOPIC, self.topic.encode()),
            ]
        )

    def entry(self) -> bytes:
        """
        Return the message as a field of an RPC.  It is encoded once, for all peers.
        """
        if self._entry is None:
            body = b"".join(
                [
                    self.unsigned(),
                    _field(_SIGNATURE, self.signature),
                    _field(_KEY, self.key),
                ]
            )
            self._entry = _field(_PUBLISH, body)
        return self._entry

    def __repr__(self) -> str:
        return f"<Message {self.id.hex()[:16]} of {self.topic!r}>"


def _field(tag: bytes, value: bytes | None) -> bytes:
    return b"" if value is None else tag + varint.encode(len(value)) + value

# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The matrix as data: which connections are made, what is done on each, and what
cannot be, with the reason.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

from twisted.internet.error import ConnectionDone, ConnectionLost

from twisted_libp2p.errors import Truncated
from twisted_libp2p.identity import KeyType
from twisted_libp2p.node import MUXERS, SECURITIES

__all__ = [
    "CELLS",
    "IDS",
    "KEYS",
    "MIB",
    "PEERS",
    "STACKS",
    "TASKS",
    "WAYS",
    "Cell",
    "Key",
    "Note",
    "note",
    "reasons",
]

PEERS = ("go", "rust", "js", "py")
DIRECTIONS = ("we dial", "they dial")
TRANSPORTS = ("tcp", "ws", "wss", "tls/ws")

#: Our backends of QUIC.
BACKENDS = ("native", "aioquic")

MIB = 1024 * 1024

#: The protocol ids of what is chosen by name.
IDS = {
    "noise": "/noise",
    "tls": "/tls/1.0.0",
    "yamux": "/yamux/1.0.0",
    "mplex": "/mplex/6.7.0",
    # QUIC has streams of its own.
    "quic": "quic",
}

#: What is done on each connection, with a name for the head of a column.
TASKS = {
    "dial": "dial",
    "identify": "identify",
    "ping": "ping",
    "echo": "echo 1 MiB",
    "large": "echo 64 MiB",
    "halfclose": "half-close",
    "reset": "reset by dialer",
    "remote-reset": "reset by listener",
    "back": "stream back",
    "many": "100 streams",
    "perf": "perf",
    "close": "close",
    "idle": "idle",
}


@dataclass(frozen=True)
class Note:
    """
    Why something cannot be, or is done otherwise.

    @ivar name: how the table refers to it.
    @ivar text: the reason.
    @ivar source: the peer's own issue; without one, the file that shows it.
    """

    name: str
    text: str
    source: str


RUST_EARLY = Note(
    "rust-early",
    "rust-libp2p takes no muxer out of a security handshake, so that the muxer is"
    " always negotiated after it",
    "`rust-libp2p #2994 <https://github.com/libp2p/rust-libp2p/issues/2994>`_",
)

PY_EARLY = Note(
    "py-early",
    "py-libp2p never looks at what the handshake has agreed: the muxer is always"
    " negotiated after it",
    "no issue found; ``libp2p/stream_muxer/muxer_multistream.py``, ``new_conn``",
)

RUST_IDLE = Note(
    "rust-idle",
    "rust-libp2p closes a connection that has had no stream for 10 seconds; so one"
    " stream is open while the rest is idle",
    "meant so: `rust-libp2p #4912"
    " <https://github.com/libp2p/rust-libp2p/issues/4912>`_",
)

GO_CLOSE = Note(
    "go-close",
    "go-libp2p closes a connection by resetting its socket: our event says"
    " ``ConnectionLost``, if neither the go-away of yamux nor the close_notify of TLS"
    " came before",
    "meant so: ``p2p/transport/tcp/tcp.go``, ``tryLinger``",
)

_NO_CLOSE_NOTIFY = (
    "sends no close_notify: our event says ``Truncated``, if we have not closed before"
    " because of the go-away of yamux"
)

JS_CLOSE = Note(
    "js-close",
    f"js-libp2p {_NO_CLOSE_NOTIFY}",
    "no issue found; ``@libp2p/tls``, ``src/utils.ts``, ``close``",
)

PY_CLOSE = Note(
    "py-close",
    f"py-libp2p {_NO_CLOSE_NOTIFY}",
    "no issue found; ``libp2p/security/tls/io.py``, ``close``",
)

PY_OBSERVED = Note(
    "py-observed",
    "py-libp2p does not know the address of a peer that has dialed it by WebSocket, and"
    " so names none in identify",
    "no issue found; ``libp2p/transport/websocket/connection.py``,"
    " ``get_remote_address``",
)

PY_TLS_WS = Note(
    "py-tls-ws",
    "py-libp2p dials no ``/tls/ws`` that a peer id follows, and it always adds one; it"
    " dials ``/wss``",
    "no issue found; ``libp2p/transport/websocket/multiaddr_utils.py``,"
    " ``is_valid_websocket_multiaddr``",
)

CERTIFIED_LARGE = Note(
    "certified-large",
    "16 MiB, since it is the WebSocket of ``/ws`` with TLS below it, and many transfers"
    " take long",
    "meant so: ``tests/interop/matrix.py``",
)

JS_ECDSA = Note(
    "js-ecdsa",
    "js-libp2p has ECDSA keys, but makes no peer id of one, its own or a remote's",
    "no issue found; ``@libp2p/peer-id``, ``src/index.ts``, ``peerIdFromPublicKey``",
)

RUST_DROP = Note(
    "rust-drop",
    "libp2p-quic 0.14.0 (rust) ends a stream that is dropped by a FIN and asks the"
    " other side to stop, and has no other way to reset one",
    "no issue found; ``transports/quic/src/connection/stream.rs``",
)

JS_RESET = Note(
    "js-reset",
    "@chainsafe/libp2p-quic 2.1.1 (js) takes a reset for an end",
    "no issue found; ``src/stream.ts``, ``readFromStream``",
)

PY_QUIC_LARGE = Note(
    "py-quic-large",
    "1 MiB, since py-libp2p 0.8.1 over QUIC discards bytes of a stream when more than 2"
    " MiB of it wait to be read",
    "no issue found; ``libp2p/transport/quic/stream.py``, ``handle_data_received``",
)

PY_HALF_CLOSE = Note(
    "py-half-close",
    "py-libp2p 0.8.1 over QUIC reports a stream that has ended in both directions as"
    " reset, and may discard its last bytes: the peer of the tests asks again",
    "no issue found; ``libp2p/transport/quic/stream.py``, ``read``",
)

AIOQUIC_LARGE = Note(
    "aioquic-large",
    "16 MiB, since aioquic is slow",
    "meant so: ``tests/interop/matrix.py``",
)

PY_ECDSA = Note(
    "py-ecdsa",
    "py-libp2p reads no ECDSA key, and makes none that others read",
    "no issue found; ``libp2p/crypto/serialization.py``,"
    " ``key_type_to_public_key_deserializer``",
)


@dataclass(frozen=True)
class Cell:
    """
    One kind of connection with a foreign peer.

    @ivar early: whether the muxer is to be agreed inside the security handshake.
    @ivar backend: our backend of QUIC; empty for other transports.
    """

    peer: str
    direction: str
    transport: str
    security: str
    muxer: str
    early: bool
    backend: str = ""

    @property
    def facts(self) -> tuple[str, ...]:
        """
        The words that tell it from the other connections with this peer.
        """
        if self.native:
            return self.direction, self.transport, self.backend
        when = "early" if self.early else "late"
        return self.direction, self.transport, self.security, self.muxer, when

    @property
    def name(self) -> str:
        """
        All of it in one word.
        """
        return "-".join((self.peer, *self.facts)).replace(" ", "-")

    @property
    def impossible(self) -> Note | None:
        """
        Why there is no such connection, if there is none.
        """
        if self.early:
            return {"rust": RUST_EARLY, "py": PY_EARLY}.get(self.peer)
        if (self.peer, self.direction, self.transport) == ("py", "they dial", "tls/ws"):
            return PY_TLS_WS
        return None

    @property
    def certified(self) -> bool:
        """
        Whether there is TLS below a WebSocket, and the listener has a certificate.
        """
        return self.transport in ("wss", "tls/ws")

    @property
    def native(self) -> bool:
        """
        Whether the transport secures and multiplexes by itself: nothing is negotiated.
        """
        return self.transport == "quic"

    @property
    def large(self) -> int:
        """
        The size of the large transfer, in bytes.
        """
        if self.native and self.peer == "py":
            return MIB
        return (16 if self.certified or self.backend == "aioquic" else 64) * MIB

    @property
    def perf(self) -> int:
        """
        The size of each of the transfers of perf, in bytes.
        """
        return MIB if self.native and self.peer == "py" else 16 * MIB

    def gap(self, task: str) -> Note | None:
        """
        Return why a task can fail on this connection, if the peer has such a gap.
        """
        if not self.native:
            return None
        match self.peer, task, self.direction:
            case ("rust", "reset", "they dial") | ("rust", "remote-reset", "we dial"):
                return RUST_DROP
            case ("js", "reset", "we dial") | ("js", "remote-reset", "they dial"):
                return JS_RESET
        return None

    @property
    def options(self) -> list[str]:
        """
        What makes the foreign peer speak this stack, and nothing else.
        """
        if self.native:
            return ["--transport", self.transport]
        transport = "wss" if self.certified else self.transport
        options = ["--transport", transport, "--security", self.security]
        options += ["--muxer", self.muxer]
        # A peer that has no early muxers is left as it is: we offer them, and
        # it has to do without.
        alone = not Cell(**{**vars(self), "early": True}).impossible
        return [*options, "--late-muxer"] if alone and not self.early else options


def _cells() -> Iterator[Cell]:
    for stack in product(PEERS, DIRECTIONS, TRANSPORTS, SECURITIES, MUXERS):
        early, late = Cell(*stack, True), Cell(*stack, False)
        if early.transport == "tcp":
            yield from (early, late)
        else:
            # The transport makes no difference to the way a muxer is agreed on.
            yield late if early.impossible else early
    for peer, direction, backend in product(PEERS, DIRECTIONS, BACKENDS):
        yield Cell(peer, direction, "quic", "tls", "quic", False, backend)


CELLS = tuple(_cells())

#: Those that can be.
STACKS = tuple(cell for cell in CELLS if cell.impossible is None)


def note(cell: Cell, task: str) -> Note | None:
    """
    Say what there is to know about a task on a connection that can be.
    """
    if cell.native and task in ("close", "identify"):
        # These notes are about sockets of TCP.
        return None
    match cell.peer, task, cell.direction, cell.security:
        case "rust", "idle", _, _:
            return RUST_IDLE
        case "py", "identify", "we dial", _ if cell.transport != "tcp":
            return PY_OBSERVED
        case _, "large", _, _ if cell.certified:
            return CERTIFIED_LARGE
        case "py", "large" | "perf", _, _ if cell.native:
            return PY_QUIC_LARGE
        case "py", "halfclose", _, _ if cell.native:
            return PY_HALF_CLOSE
        case _, "large", _, _ if cell.backend == "aioquic":
            return AIOQUIC_LARGE
        case "go", "close", "they dial", _:
            return GO_CLOSE
        case "js", "close", "they dial", "tls":
            return JS_CLOSE
        case "py", "close", "they dial", "tls":
            return PY_CLOSE
    return None


def reasons(cell: Cell) -> set[type[Exception]]:
    """
    Say what we may take for the reason when the dialer closes a connection.
    """
    if cell.direction == "we dial":
        return {ConnectionDone}
    # Who closes a socket before everything was read resets it.
    expected: set[type[Exception]] = {ConnectionDone, ConnectionLost}
    if note(cell, "close") in (JS_CLOSE, PY_CLOSE) or (
        # Neither has a message for the end.
        cell.security == "noise" and cell.muxer == "mplex"
    ):
        expected.add(Truncated)
    return expected


@dataclass(frozen=True)
class Key:
    """
    A type of key on one side, while the other has an Ed25519 key.

    @ivar side: who has it: C{"our"} or C{"their"}.
    @ivar way: the security protocol over TCP, or our backend of QUIC.
    """

    peer: str
    side: str
    kind: KeyType
    way: str

    @property
    def name(self) -> str:
        """
        All of it in one word.
        """
        return "-".join((self.peer, self.side, self.kind.name.lower(), self.way))

    @property
    def backend(self) -> str:
        """
        Our backend of QUIC; empty over TCP.
        """
        return self.way if self.way in BACKENDS else ""

    @property
    def impossible(self) -> Note | None:
        """
        Why this cannot be, if it cannot.
        """
        if self.kind is KeyType.ECDSA:
            return {"js": JS_ECDSA, "py": PY_ECDSA}.get(self.peer)
        return None


#: How keys are tried.
WAYS = (*SECURITIES, *BACKENDS)

#: Ed25519 on both sides is the rest of the matrix.
KEYS = tuple(
    Key(*each)
    for each in product(PEERS, ("our", "their"), KeyType, WAYS)
    if each[2] is not KeyType.ED25519
)

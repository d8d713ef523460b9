# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Frames of QUIC that break its rules.
"""

from __future__ import annotations

from tests.attacks.raw.packets import crypto, frame, stream
from twisted_libp2p.interfaces.quic import GROWTH

__all__ = ["VIOLATIONS"]

#: The windows of a stream and of a connection.
_WINDOW = 1 << 20
_CONNECTION_WINDOW = 16 << 20
_TOKEN = bytes(16)

#: The frames of a peer, each in a packet of its own, and the codes with which its
#: connection ends.  Where there are two, RFC 9000 allows both, and the first is that of
#: aioquic.
VIOLATIONS: dict[str, tuple[list[bytes], tuple[int, ...]]] = {
    # The native backend finds out no sooner.
    "a stream beyond the largest window": (
        [stream(0, GROWTH * _WINDOW, b"x")],
        (3,),
    ),
    "all streams beyond the window of the connection": (
        [
            stream(4 * each, _WINDOW - 1, b"x")
            for each in range(_CONNECTION_WINDOW // _WINDOW + 1)
        ],
        (3,),
    ),
    "a reset beyond the window": ([frame(0x04, 0, 7, 1 << 30)], (3,)),
    "the 257th stream": ([stream(1024, 0, b"x")], (4,)),
    "a stream of one direction": ([stream(2, 0, b"x")], (4,)),
    "a stream of ours that is not open": ([stream(3601, 0, b"x")], (5,)),
    "a stream of ours of one direction": ([stream(3603, 0, b"x")], (5,)),
    "a stop of such a stream": ([frame(0x05, 3601, 7)], (5,)),
    "a stop of a stream that only they write": ([frame(0x05, 2, 7)], (5,)),
    "a window for such a stream": ([frame(0x11, 3601, 7)], (5,)),
    "an end that moves": (
        [stream(0, 0, b"ab", True), stream(0, 0, b"abc", True)],
        (6,),
    ),
    "bytes after the end": ([stream(0, 0, b"ab", True), stream(0, 2, b"c")], (6,)),
    "a reset of another size": ([stream(0, 0, b"ab", True), frame(4, 0, 7, 3)], (6,)),
    "a reset of less bytes": ([stream(0, 0, b"ab"), frame(4, 0, 7, 1)], (6,)),
    "two resets": ([frame(4, 0, 7, 3), frame(4, 0, 7, 4)], (6,)),
    "an offset that no number has": ([stream(0, (1 << 62) - 1, b"ab")], (7, 3)),
    "more streams than there are numbers": ([frame(0x12, (1 << 60) + 1)], (7,)),
    "an unknown frame": ([frame(0x40)], (7,)),
    "a frame that is cut": ([b"\x0e\0"], (7,)),
    "a connection id of 21 bytes": ([frame(0x18, 9, 0, b"\x15", bytes(37))], (7,)),
    "a connection id of no bytes": ([frame(0x18, 9, 0, b"\0", _TOKEN)], (7,)),
    "acknowledgements below nothing": ([frame(0x02, 1, 0, 0, 5)], (7,)),
    "a connection id that retires itself": (
        [frame(0x18, 9, 10, b"\x08", bytes(8), _TOKEN)],
        (10, 7),
    ),
    "20 connection ids": (
        [frame(0x18, 20 + each, 0, b"\x08", bytes((each,)) * 24) for each in range(20)],
        (9,),
    ),
    "a connection id that was not issued, retired": ([frame(0x19, 900)], (10,)),
    "HANDSHAKE_DONE of a dialer": ([frame(0x1E)], (10,)),
    "NEW_TOKEN of a dialer": ([frame(0x07, 5, b"abcde")], (10,)),
    "a datagram frame": ([frame(0x30, b"hello")], (10,)),
    "handshake messages far ahead": ([crypto(20_000, b"x")], (13,)),
    "a handshake message without end": (
        [
            crypto(each * 1000, b"\x01\xff\xff\xff".ljust(1000, b"\0"))
            for each in range(80)
        ],
        (13, 10),
    ),
    "a key update of TLS": ([crypto(0, b"\x18\0\0\1\0")], (0x10A,)),
}

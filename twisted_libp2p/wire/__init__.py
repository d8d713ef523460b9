# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The smallest things on the wire: varints, length-prefixed messages, multibase
text, and the protobuf messages of libp2p.

Numbers, bytes and text enter; the same in another form leave.  Nothing here
knows what the messages mean.

Each C{x_pb2.py} with its C{x_pb2.pyi} is generated from the C{x.proto} beside
it by C{make proto}.  Generated code works with the release of protobuf whose
compiler made it and with later ones, the next major included; the Makefile
names a compiler that fits what C{setup.cfg} allows.
"""

from __future__ import annotations

from twisted_libp2p.wire.frames import FrameBuffer, delimit

__all__ = ["FrameBuffer", "delimit"]

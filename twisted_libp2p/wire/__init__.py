# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The smallest things on the wire: varints, length-prefixed messages, multibase
text, and the protobuf messages of libp2p.

Numbers, bytes and text come in, and go out in another form.  This room does not know
the meaning of the messages.

C{make proto} generates each C{x_pb2.py} and C{x_pb2.pyi} from the C{x.proto} in the
same folder.  Generated code works with the release of protobuf whose compiler made it
and with later ones, the next major included; the Makefile names a compiler that fits
the releases in C{setup.cfg}.
"""

from __future__ import annotations

from twisted_libp2p.wire.frames import FrameBuffer, delimit

__all__ = ["FrameBuffer", "delimit"]

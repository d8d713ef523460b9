# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.quic.native}.  They are skipped without the distribution
C{twisted-libp2p-native}, unless C{LIBP2P_REQUIRE} names C{native}.
"""

from __future__ import annotations

from typing import Any

from twisted.python.reflect import requireModule

from tests.needs import skipWithout

__all__ = ["requireNative"]


def requireNative() -> Any:
    """
    Return the module of the backend.

    @raise SkipTest: the native distribution is not installed.
    """
    module = requireModule("twisted_libp2p.quic.native")
    if module is None:
        skipWithout("native", "twisted-libp2p-native is not installed: make native")
    return module

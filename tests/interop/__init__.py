# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests against other implementations of libp2p, on loopback.

C{make interop} builds the peers and runs these tests with pytest; trial does
not collect them.  A peer whose toolchain is missing skips its tests, unless
C{LIBP2P_INTEROP_REQUIRE} names it.
"""

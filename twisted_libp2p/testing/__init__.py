# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Doubles for users' own tests: an in-memory network, and the tests that every
muxer, security protocol, and so on has to pass.
"""

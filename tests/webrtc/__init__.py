# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for twisted_libp2p.webrtc.
"""

# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
WebTransport: QUIC connections of browsers, which speak HTTP/3 and prove who they are by
Noise.  See libp2p/specs, webtransport/README.md.
"""

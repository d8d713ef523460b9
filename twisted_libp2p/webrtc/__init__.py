# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
WebRTC-direct: browsers reach a node by its multiaddr, without a certificate of an
authority.

See libp2p/specs, webrtc/webrtc-direct.md and webrtc/README.md.
"""

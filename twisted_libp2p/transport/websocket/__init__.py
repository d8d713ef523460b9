# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
WebSocket: byte streams through web servers, proxies and browsers
(libp2p/specs, websockets/README.md; RFC 6455).

It needs the package C{websockets}, of the extra C{websocket}; only
L{twisted_libp2p.transport.websocket.transport} can be imported without it.
"""

# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Proxies through which a node dials: SOCKS5 (RFC 1928, RFC 1929) and HTTP's CONNECT
(RFC 9110, section 9.3.6).
"""

from twisted_libp2p.transport.proxy.proxy import Proxy

__all__ = ["Proxy"]

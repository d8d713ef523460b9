# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The names of a node that dials through a proxy.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred, fail
from twisted.names.common import ResolverBase

from twisted_libp2p.errors import UnsupportedAddress
from twisted_libp2p.interfaces import IProxy

__all__ = ["NoResolver"]


class NoResolver(ResolverBase):
    """
    Resolves nothing: questions to name servers would go around the proxy.
    """

    def __init__(self, proxy: IProxy) -> None:
        """
        @param proxy: the proxy of the node.
        """
        super().__init__()
        self._proxy = proxy

    def _lookup(self, name: Any, cls: Any, type: Any, timeout: Any) -> Deferred[Any]:
        return fail(
            UnsupportedAddress(f"a DNS query would go around the proxy {self._proxy}")
        )

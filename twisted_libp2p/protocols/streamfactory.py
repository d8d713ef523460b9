# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The factory of protocols that need no factory, under the name that protocols use.
"""

from __future__ import annotations

from twisted_libp2p.connection.building import Builder, StreamFactory, factoryOf

__all__ = ["Builder", "StreamFactory", "factoryOf"]

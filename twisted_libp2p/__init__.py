# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
libp2p's connection lifecycle for Twisted.

Any Twisted C{Factory} can be served to, or connected with, any libp2p peer
over an authenticated, encrypted and multiplexed connection: by code or by one
endpoint string.
"""

__version__ = "0.1.0"

__all__ = ["__version__"]

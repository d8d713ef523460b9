# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Relays side by side: L{benchmarks.relays.__main__}.
"""

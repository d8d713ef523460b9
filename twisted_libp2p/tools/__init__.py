# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The tools of C{libp2p} that reach peers wherever they are.
"""

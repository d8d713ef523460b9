# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Who may use which protocol: lists of peers, groups in a file, and pairing.
"""

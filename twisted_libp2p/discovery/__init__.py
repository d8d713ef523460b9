# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Finding peers: on the local network, from a list, and by points that know others.
"""

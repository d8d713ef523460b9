# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
A node as a daemon: the signals that it obeys, and its reports to a service manager.
"""

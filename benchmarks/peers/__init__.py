# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
What is measured on our side: a node of ours, and Twisted's own TCP and TLS, as
programs that follow the contract of C{benchmarks/README.rst}.
"""

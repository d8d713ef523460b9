# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Test peers on other implementations of libp2p, and how to build them.

They are programs of our own on published packages; C{README.rst} beside this
file says how they are called and what they answer.
"""

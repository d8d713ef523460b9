# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
How fast it is, beside other implementations on the same machine.

C{README.rst} tells how to use it, and what the programs that are measured are
told.
"""

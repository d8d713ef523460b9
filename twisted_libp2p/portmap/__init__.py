# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Ports of the router, opened by asking it.

L{PortMapping<twisted_libp2p.portmap.service.PortMapping>} asks the gateway of this host
to forward the ports on which a node listens, by PCP, NAT-PMP or UPnP, and renews and
deletes these mappings.

See RFC 6887 (PCP), RFC 6886 (NAT-PMP), and the Internet Gateway Device of the UPnP
forum.
"""

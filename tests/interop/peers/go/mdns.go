// Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

package main

import (
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/discovery/mdns"
)

// found reports the peers that mDNS finds.
type found struct{}

// HandlePeerFound is called for each peer, as often as it answers.
func (found) HandlePeerFound(info peer.AddrInfo) {
	addrs := []string{}
	for _, a := range info.Addrs {
		addrs = append(addrs, a.String())
	}
	printLine(facts{"event": "found", "peer": info.ID.String(), "addrs": addrs})
}

// startMDNS finds peers on the local network, and is found by them.
func startMDNS(h host.Host) error {
	return mdns.NewMdnsService(h, "", found{}).Start()
}

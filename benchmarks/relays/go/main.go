// Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

// A relay without limits, until its standard input ends.
package main

import (
	"encoding/json"
	"io"
	"log"
	"os"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/p2p/protocol/circuitv2/relay"
	"github.com/libp2p/go-libp2p/p2p/transport/tcp"
	ma "github.com/multiformats/go-multiaddr"
)

func main() {
	host, err := libp2p.New(
		libp2p.ListenAddrStrings("/ip4/127.0.0.1/tcp/0"),
		libp2p.Transport(tcp.NewTCPTransport),
		libp2p.ResourceManager(&network.NullResourceManager{}),
		libp2p.DisableMetrics(),
		libp2p.DisableRelay(),
	)
	if err != nil {
		log.Fatal(err)
	}
	resources := relay.DefaultResources()
	resources.MaxCircuits = 1 << 16
	resources.MaxReservations = 1 << 16
	resources.MaxReservationsPerIP = 1 << 16
	if _, err := relay.New(host, relay.WithResources(resources), relay.WithInfiniteLimits(),
		relay.WithReservationAddressFilter(func(ma.Multiaddr) bool { return true })); err != nil {
		log.Fatal(err)
	}
	line, _ := json.Marshal(map[string]any{
		"addr": host.Addrs()[0].String() + "/p2p/" + host.ID().String(), "pid": os.Getpid(),
	})
	os.Stdout.Write(append(line, '\n'))
	io.Copy(io.Discard, os.Stdin)
}

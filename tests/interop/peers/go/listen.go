// Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/protocol/circuitv2/client"
)

// listen prints where it listens, then serves until its parent is done.
func listen(opts options) error {
	h, err := newHost(opts, true)
	if err != nil {
		return err
	}
	h.Network().Notify(&network.NotifyBundle{
		ConnectedF: func(_ network.Network, c network.Conn) {
			state := c.ConnState()
			printLine(facts{
				"event":    "connected",
				"peer":     c.RemotePeer().String(),
				"security": state.Security,
				"muxer":    state.StreamMultiplexer,
				"early":    state.UsedEarlyMuxerNegotiation,
			})
		},
		DisconnectedF: func(_ network.Network, c network.Conn) {
			printLine(facts{"event": "disconnected", "peer": c.RemotePeer().String()})
		},
	})
	serve(h, printLine)
	if opts.autonat == 2 {
		if err := reportReachability(h); err != nil {
			return err
		}
	}
	if opts.mdns {
		if err := startMDNS(h); err != nil {
			return err
		}
	}
	addrs := []string{}
	for _, a := range h.Network().ListenAddresses() {
		addrs = append(addrs, fmt.Sprintf("%s/p2p/%s", a, h.ID()))
	}
	if opts.circuit != "" {
		if err := reserve(h, opts.circuit); err != nil {
			return err
		}
		addrs = append(addrs, fmt.Sprintf("%s/p2p-circuit/p2p/%s", opts.circuit, h.ID()))
	}
	done := make(chan os.Signal, 1)
	signal.Notify(done, syscall.SIGTERM, syscall.SIGINT)
	printLine(facts{"peerId": h.ID().String(), "addrs": addrs, "pid": os.Getpid()})
	go func() {
		io.Copy(io.Discard, os.Stdin)
		done <- syscall.SIGTERM
	}()
	<-done
	closeHost(h)
	return nil
}

// reserve connects to a relay and asks it for a place.
func reserve(h host.Host, address string) error {
	relay, err := peer.AddrInfoFromString(address)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), connectLimit)
	defer cancel()
	if err := h.Connect(ctx, *relay); err != nil {
		return err
	}
	_, err = client.Reserve(ctx, h, *relay)
	return err
}

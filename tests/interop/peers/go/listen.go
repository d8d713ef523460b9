// Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

package main

import (
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/libp2p/go-libp2p/core/network"
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
	addrs := []string{}
	for _, a := range h.Network().ListenAddresses() {
		addrs = append(addrs, fmt.Sprintf("%s/p2p/%s", a, h.ID()))
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

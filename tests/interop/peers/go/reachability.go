// Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

package main

import (
	"github.com/libp2p/go-libp2p/core/event"
	"github.com/libp2p/go-libp2p/core/host"
	ma "github.com/multiformats/go-multiaddr"
)

// reportReachability prints the verdicts of both versions of AutoNAT.
func reportReachability(h host.Host) error {
	events, err := h.EventBus().Subscribe([]any{
		new(event.EvtHostReachableAddrsChanged),
		new(event.EvtLocalReachabilityChanged),
	})
	if err != nil {
		return err
	}
	go func() {
		for each := range events.Out() {
			switch found := each.(type) {
			case event.EvtHostReachableAddrsChanged:
				printLine(facts{
					"event":       "addresses",
					"reachable":   texts(found.Reachable),
					"unreachable": texts(found.Unreachable),
				})
			case event.EvtLocalReachabilityChanged:
				printLine(facts{"event": "reachability", "state": found.Reachability.String()})
			}
		}
	}()
	return nil
}

func texts(addresses []ma.Multiaddr) []string {
	found := []string{}
	for _, each := range addresses {
		found = append(found, each.String())
	}
	return found
}

// Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

// Command rendezvous is a rendezvous point, or a client of one, on
// go-libp2p-rendezvous (Waku's fork). It prints JSON lines, and ends when its standard
// input does.
//
//	rendezvous point
//	rendezvous client MULTIADDR
//
// A client reads lines: "register NAME", "unregister NAME", "discover NAME".
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"
	rendezvous "github.com/waku-org/go-libp2p-rendezvous"
)

const (
	askLimit = 60 * time.Second
	ttl      = 7200
	most     = 100
)

// facts is what a line reports.
type facts map[string]any

func printLine(line facts) {
	text, err := json.Marshal(line)
	if err != nil {
		panic(err)
	}
	fmt.Println(string(text))
}

func texts(addrs []multiaddr.Multiaddr) []string {
	told := []string{}
	for _, each := range addrs {
		told = append(told, each.String())
	}
	return told
}

// do follows a line of a client.
func do(client rendezvous.RendezvousClient, verb, name string) (facts, error) {
	ctx, cancel := context.WithTimeout(context.Background(), askLimit)
	switch verb {
	case "register":
		// The context ends the renewals, too.
		granted, err := client.Register(context.Background(), name, ttl)
		cancel()
		return facts{"event": "registered", "ttl": granted.Seconds()}, err
	case "unregister":
		defer cancel()
		return facts{"event": "unregistered"}, client.Unregister(ctx, name)
	case "discover":
		defer cancel()
		found, _, err := client.Discover(ctx, name, most, nil)
		peers := map[string][]string{}
		for _, each := range found {
			peers[each.ID.String()] = texts(each.Addrs)
		}
		return facts{"event": "discovered", "peers": peers}, err
	}
	cancel()
	return nil, fmt.Errorf("there is no %q", verb)
}

// connect reaches a point.
func connect(h host.Host, address string) (rendezvous.RendezvousClient, error) {
	info, err := peer.AddrInfoFromString(address)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), askLimit)
	defer cancel()
	if err := h.Connect(ctx, *info); err != nil {
		return nil, err
	}
	return rendezvous.NewRendezvousClient(h, info.ID), nil
}

func run(args []string) error {
	h, err := libp2p.New(libp2p.ListenAddrStrings("/ip4/127.0.0.1/tcp/0"))
	if err != nil {
		return err
	}
	defer h.Close()
	var client rendezvous.RendezvousClient
	switch {
	case len(args) == 1 && args[0] == "point":
		rendezvous.NewRendezvousService(h, &store{})
	case len(args) == 2 && args[0] == "client":
		if client, err = connect(h, args[1]); err != nil {
			return err
		}
	default:
		return fmt.Errorf("usage: rendezvous point | rendezvous client MULTIADDR")
	}
	printLine(facts{"peer": h.ID().String(), "addrs": texts(h.Addrs())})
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		verb, name, _ := strings.Cut(lines.Text(), " ")
		if client == nil {
			return fmt.Errorf("a point takes no line")
		}
		told, err := do(client, verb, name)
		if err != nil {
			told = facts{"event": "failed", "reason": err.Error()}
		}
		printLine(told)
	}
	return nil
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "rendezvous:", err)
		os.Exit(1)
	}
}

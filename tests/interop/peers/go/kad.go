// Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

package main

import (
	"bufio"
	"context"
	"encoding/hex"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p"
	dht "github.com/libp2p/go-libp2p-kad-dht"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/libp2p/go-libp2p/core/routing"
	"github.com/multiformats/go-multihash"
)

// kadLimit is how long a request of the test may take.
const kadLimit = 30 * time.Second

// anyValue takes every value of its namespace.
type anyValue struct{}

func (anyValue) Validate(string, []byte) error        { return nil }
func (anyValue) Select(string, [][]byte) (int, error) { return 0, nil }

// kad is a server of a DHT with the given prefix. Each line of standard input is a
// request, which is answered by a line; see ../README.rst.
func kad(args []string) error {
	if len(args) != 1 {
		usage("kad needs a prefix")
	}
	h, err := libp2p.New(libp2p.ListenAddrStrings("/ip4/127.0.0.1/tcp/0"))
	if err != nil {
		return err
	}
	defer h.Close()
	settings := []dht.Option{dht.Mode(dht.ModeServer), dht.ProtocolPrefix(protocol.ID(args[0]))}
	if args[0] != "/ipfs" {
		settings = append(settings, dht.NamespacedValidator("v", anyValue{}))
	}
	d, err := dht.New(h, settings...)
	if err != nil {
		return err
	}
	addrs := []string{}
	for _, a := range h.Addrs() {
		addrs = append(addrs, fmt.Sprintf("%s/p2p/%s", a, h.ID()))
	}
	printLine(facts{"peerId": h.ID().String(), "addrs": addrs, "pid": os.Getpid()})
	known := d.RoutingTable().PeerAdded
	d.RoutingTable().PeerAdded = func(id peer.ID) {
		known(id)
		printLine(facts{"event": "entered", "peer": id.String()})
	}
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		result, err := kadRequest(h.Connect, d, strings.Fields(lines.Text()))
		if err != nil {
			printLine(facts{"ok": false, "error": err.Error()})
		} else {
			printLine(facts{"ok": true, "result": result})
		}
	}
	return nil
}

// kadRequest does one request: its name, its argument, and a value.
func kadRequest(connect func(context.Context, peer.AddrInfo) error, d *dht.IpfsDHT, words []string) (any, error) {
	ctx, cancel := context.WithTimeout(context.Background(), kadLimit)
	defer cancel()
	words = append(words, "", "", "")
	switch words[0] {
	case "connect":
		info, err := peer.AddrInfoFromString(words[1])
		if err != nil {
			return nil, err
		}
		return nil, connect(ctx, *info)
	case "find":
		id, err := peer.Decode(words[1])
		if err != nil {
			return nil, err
		}
		found, err := d.FindPeer(ctx, id)
		addrs := []string{}
		for _, each := range found.Addrs {
			addrs = append(addrs, each.String())
		}
		return addrs, err
	case "provide", "providers":
		key, err := hex.DecodeString(words[1])
		if err != nil {
			return nil, err
		}
		content := cid.NewCidV1(cid.Raw, multihash.Multihash(key))
		if words[0] == "provide" {
			return nil, d.Provide(ctx, content, true)
		}
		found := []string{}
		for each := range d.FindProvidersAsync(ctx, content, 1) {
			found = append(found, each.ID.String())
		}
		return found, nil
	case "put", "get":
		key, err := hex.DecodeString(words[1])
		if err != nil {
			return nil, err
		}
		if words[0] == "put" {
			value, err := hex.DecodeString(words[2])
			if err != nil {
				return nil, err
			}
			return nil, d.PutValue(ctx, string(key), value)
		}
		value, err := d.GetValue(ctx, string(key))
		if err == routing.ErrNotFound {
			return nil, err
		}
		return hex.EncodeToString(value), err
	}
	return nil, fmt.Errorf("unknown request %q", words[0])
}

// Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

// Ask a peer for its greeting: greet ADDRESS
package main

import (
	"context"
	"io"
	"os"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/peer"
)

func main() {
	ctx := context.Background()
	host, err := libp2p.New()
	if err != nil {
		panic(err)
	}
	server, err := peer.AddrInfoFromString(os.Args[1])
	if err != nil {
		panic(err)
	}
	if err = host.Connect(ctx, *server); err != nil {
		panic(err)
	}
	stream, err := host.NewStream(ctx, server.ID, "/greeting/1.0.0")
	if err != nil {
		panic(err)
	}
	io.Copy(os.Stdout, stream)
}

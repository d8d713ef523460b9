// Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/protocol/holepunch"
	quic "github.com/libp2p/go-libp2p/p2p/transport/quic"
	"github.com/libp2p/go-libp2p/p2p/transport/tcp"
)

// punch plays one of the peers that meet through a relay and then punch a hole:
// the relay, the listener that reserves a place there, or the dialer.
func punch(args []string) error {
	if len(args) == 0 {
		usage("punch needs a role")
	}
	role, target := args[0], ""
	args = args[1:]
	switch role {
	case "relay":
	case "listen", "dial":
		if len(args) == 0 || strings.HasPrefix(args[0], "-") {
			usage("an address is needed")
		}
		target, args = args[0], args[1:]
	default:
		usage("unknown role %q", role)
	}
	flags := flag.NewFlagSet("peer punch", flag.ContinueOnError)
	flags.SetOutput(os.Stderr)
	transport := flags.String("transport", "tcp", "tcp or quic")
	ip := flags.String("host", "127.0.0.1", "IPv4 address to listen on")
	port := flags.Int("port", 0, "port to listen on")
	if err := flags.Parse(args); err != nil {
		os.Exit(2)
	}
	over := fmt.Sprintf("/ip4/%s/tcp/%d", *ip, *port)
	under := fmt.Sprintf("/ip4/%s/udp/%d/quic-v1", *ip, *port)
	options := []libp2p.Option{
		libp2p.UserAgent(userAgent()),
		libp2p.ResourceManager(&network.NullResourceManager{}),
		libp2p.DisableMetrics(),
	}
	if role == "relay" {
		options = append(options,
			libp2p.ListenAddrStrings(over, under),
			libp2p.Transport(tcp.NewTCPTransport),
			libp2p.Transport(quic.NewTransport),
			libp2p.EnableRelayService(),
			libp2p.ForceReachabilityPublic(),
		)
	} else {
		options = append(options,
			libp2p.EnableRelay(),
			libp2p.EnableHolePunching(holepunch.WithTracer(punchTracer{})),
			libp2p.ForceReachabilityPrivate(),
		)
		if *transport == "quic" {
			options = append(options, libp2p.ListenAddrStrings(under), libp2p.Transport(quic.NewTransport))
		} else {
			options = append(options, libp2p.ListenAddrStrings(over), libp2p.Transport(tcp.NewTCPTransport))
		}
	}
	h, err := libp2p.New(options...)
	if err != nil {
		return err
	}
	watchPunch(h)
	if err := playPunch(h, role, target); err != nil {
		return err
	}
	done := make(chan os.Signal, 1)
	signal.Notify(done, syscall.SIGTERM, syscall.SIGINT)
	go func() {
		io.Copy(io.Discard, os.Stdin)
		done <- syscall.SIGTERM
	}()
	<-done
	closeHost(h)
	return nil
}

// playPunch prints the addresses of a relay or a listener, or dials.
func playPunch(h host.Host, role, target string) error {
	addrs := []string{}
	if role == "relay" {
		for _, a := range h.Network().ListenAddresses() {
			if text := a.String(); !strings.Contains(text, "p2p-circuit") {
				addrs = append(addrs, fmt.Sprintf("%s/p2p/%s", text, h.ID()))
			}
		}
	}
	if role == "listen" {
		if err := reserve(h, target); err != nil {
			return err
		}
		awaitPunching(h)
		addrs = append(addrs, fmt.Sprintf("%s/p2p-circuit/p2p/%s", target, h.ID()))
	}
	if role != "dial" {
		printLine(facts{"peerId": h.ID().String(), "addrs": addrs, "pid": os.Getpid()})
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), connectLimit)
	defer cancel()
	place, _, _ := strings.Cut(target, "/p2p-circuit")
	relay, err := peer.AddrInfoFromString(place)
	if err != nil {
		return err
	}
	// The relay has to say from where it sees this host.
	if err := h.Connect(ctx, *relay); err != nil {
		return err
	}
	awaitPunching(h)
	info, err := peer.AddrInfoFromString(target)
	if err != nil {
		return err
	}
	return h.Connect(network.WithAllowLimitedConn(ctx, "a test of hole punching"), *info)
}

// awaitPunching waits until hole punching has begun: go-libp2p serves it once it
// knows a public address, and overlooks the connections from before.
func awaitPunching(h host.Host) {
	for end := time.Now().Add(connectLimit); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if slices.Contains(h.Mux().Protocols(), holepunch.Protocol) {
			return
		}
	}
}

// watchPunch prints the connections.
func watchPunch(h host.Host) {
	begin := time.Now()
	h.Network().Notify(&network.NotifyBundle{
		ConnectedF: func(_ network.Network, c network.Conn) {
			printLine(facts{
				"event":   "connected",
				"peer":    c.RemotePeer().String(),
				"relayed": strings.Contains(c.RemoteMultiaddr().String(), "p2p-circuit"),
				"seconds": time.Since(begin).Seconds(),
			})
		},
		DisconnectedF: func(_ network.Network, c network.Conn) {
			printLine(facts{
				"event":   "disconnected",
				"peer":    c.RemotePeer().String(),
				"relayed": strings.Contains(c.RemoteMultiaddr().String(), "p2p-circuit"),
			})
		},
	})
}

// punchTracer prints what comes of hole punching.
type punchTracer struct{}

func (punchTracer) Trace(e *holepunch.Event) {
	remote := e.Remote.String()
	switch what := e.Evt.(type) {
	case *holepunch.HolePunchAttemptEvt:
		printLine(facts{"event": "attempt", "peer": remote, "number": what.Attempt})
	case *holepunch.DirectDialEvt:
		if what.Success {
			printLine(facts{"event": "punched", "peer": remote, "ok": true, "error": nil})
		}
	case *holepunch.EndHolePunchEvt:
		printLine(facts{"event": "punched", "peer": remote, "ok": what.Success, "error": what.Error})
	case *holepunch.ProtocolErrorEvt:
		printLine(facts{"event": "punched", "peer": remote, "ok": false, "error": what.Error})
	}
}

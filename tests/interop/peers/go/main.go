// Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

// Command peer is a small libp2p peer on go-libp2p for the interoperability
// tests. Its command line, its protocols and its output are described in
// ../README.rst; every peer of that directory follows the same contract.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	blockSize    = 64 * 1024
	backBytes    = 1000
	manyStreams  = 100
	manyBytes    = 1000
	pingCount    = 3
	connectLimit = 20 * time.Second
	taskLimit    = 60 * time.Second
	totalLimit   = 120 * time.Second
	closeLimit   = 3 * time.Second
)

// options are the choices of the command line.
type options struct {
	transport string
	tlsCert   string
	tlsRoots  string
	security  string
	muxer     string
	host      string
	port      int
	key       string
	lateMuxer bool
	psk       string
	defaults  bool
	relay     bool
	autonat   int
	circuit   string
	seed      int
	mdns      bool
	do        []step
	size      int
	repeat    time.Duration
}

// step is a task to do, named as it was asked for, and its own number.
type step struct {
	label, name string
	number      int
}

// limit is how long a step may take: idling takes as long as it was told to.
func (s step) limit() time.Duration {
	if s.name == "idle" {
		return taskLimit + time.Duration(s.number)*time.Second
	}
	return taskLimit
}

// facts is what one task, one event or the whole run reports.
type facts map[string]any

func main() {
	args := os.Args[1:]
	if len(args) > 0 && args[0] == "punch" {
		if err := punch(args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, "peer:", err)
			os.Exit(1)
		}
		return
	}
	servers := map[string]func([]string) error{
		"broker": broker, "kad": kad, "pubsub": servePubsub, "web": web,
	}
	if len(args) > 0 && servers[args[0]] != nil {
		if err := servers[args[0]](args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, "peer:", err)
			os.Exit(1)
		}
		return
	}
	bench := len(args) > 0 && args[0] == "bench"
	if bench {
		args = args[1:]
	}
	role, target, opts := parseCommandLine(args)
	var err error
	switch {
	case bench && role == "listen":
		err = benchListen(opts)
	case bench:
		err = benchDial(target, opts)
	case role == "listen":
		err = listen(opts)
	case role == "dial":
		err = dial(target, opts)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "peer:", err)
		os.Exit(1)
	}
}

// usage ends the program because its command line makes no sense.
func usage(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "peer: "+format+"\n", args...)
	fmt.Fprintln(os.Stderr, "usage: peer listen [options] | peer dial MULTIADDR [options]")
	os.Exit(2)
}

// parseCommandLine reads the role, the address to dial and the options.
func parseCommandLine(args []string) (role, target string, opts options) {
	if len(args) == 0 {
		usage("no role given")
	}
	role, args = args[0], args[1:]
	flags := flag.NewFlagSet("peer", flag.ContinueOnError)
	flags.SetOutput(os.Stderr)
	flags.StringVar(&opts.transport, "transport", "tcp", "tcp, ws, wss, quic, webtransport or webrtc-direct")
	flags.StringVar(&opts.tlsCert, "tls-certificate", "", "file of a certificate and its key, for wss")
	flags.StringVar(&opts.tlsRoots, "tls-roots", "", "file of the authorities, for wss")
	flags.StringVar(&opts.security, "security", "noise", "noise, tls or plaintext")
	flags.StringVar(&opts.muxer, "muxer", "yamux", "yamux or mplex")
	flags.StringVar(&opts.host, "host", "127.0.0.1", "IPv4 address to listen on")
	flags.IntVar(&opts.port, "port", 0, "port to listen on")
	flags.StringVar(&opts.key, "key", "ed25519", "ed25519, secp256k1, ecdsa or rsa")
	flags.StringVar(&opts.psk, "psk", "", "file of the key of a private network")
	flags.BoolVar(&opts.lateMuxer, "late-muxer", false, "no muxer negotiation in the handshake")
	flags.BoolVar(&opts.defaults, "defaults", false, "keep the limits of the package")
	flags.BoolVar(&opts.relay, "relay-service", false, "be a relay, with the limits of the package")
	flags.IntVar(&opts.autonat, "autonat", 0, "1: serve version 1; 2: version 2, both parts, and the client of version 1")
	flags.BoolVar(&opts.mdns, "mdns", false, "find peers on the local network")
	flags.IntVar(&opts.seed, "seed", 0, "number of an ed25519 key that is always the same; 0 for a new one")
	flags.StringVar(&opts.circuit, "circuit", "", "address of a relay to reserve a place at")
	do := "ping,identify,echo"
	seconds := 0
	opts.size = 1 << 20
	switch role {
	case "listen":
	case "dial":
		if len(args) == 0 || strings.HasPrefix(args[0], "-") {
			usage("dial needs a multiaddr")
		}
		target, args = args[0], args[1:]
		flags.StringVar(&do, "do", do, "tasks, separated by commas")
		flags.IntVar(&opts.size, "size", opts.size, "bytes for echo, halfclose and perf")
		flags.IntVar(&seconds, "for", seconds, "do the tasks again until so many seconds are over")
	default:
		usage("unknown role %q", role)
	}
	if err := flags.Parse(args); err != nil {
		os.Exit(2)
	}
	if flags.NArg() > 0 {
		usage("unexpected argument %q", flags.Arg(0))
	}
	if opts.size < 0 {
		usage("--size must not be negative")
	}
	opts.repeat = time.Duration(seconds) * time.Second
	for _, label := range strings.Split(do, ",") {
		if label == "" {
			continue
		}
		name, number, given := strings.Cut(label, "=")
		next := step{label, name, opts.size}
		if _, ok := tasks[name]; !ok {
			usage("unknown task %q", name)
		}
		if given {
			var err error
			if next.number, err = strconv.Atoi(number); err != nil || next.number < 0 {
				usage("bad number %q", label)
			}
		}
		opts.do = append(opts.do, next)
	}
	return role, target, opts
}

// A line is printed whole and at once, so that a test can read line by line.
var stdout sync.Mutex

func printLine(f facts) {
	line, err := json.Marshal(f)
	if err != nil {
		fmt.Fprintln(os.Stderr, "peer: cannot encode a line:", err)
		return
	}
	stdout.Lock()
	defer stdout.Unlock()
	os.Stdout.Write(append(line, '\n'))
}

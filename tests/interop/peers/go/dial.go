// Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/event"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
)

// dialer is one connection and what the tasks need of it; size is the number
// of the task that is being done.
type dialer struct {
	host     host.Host
	conn     network.Conn
	size     int
	identify <-chan any
}

// outcome is the one line of a dialer. It is printed once, either when all
// tasks are done or when the time is over.
type outcome struct {
	mu      sync.Mutex
	line    facts
	results facts
}

func newOutcome(opts options) *outcome {
	o := &outcome{results: facts{}}
	o.line = facts{
		"ok": false, "remotePeer": nil, "security": nil, "muxer": nil, "early": nil,
		"late": opts.lateMuxer, "results": o.results, "rounds": 0, "error": nil,
	}
	return o
}

func (o *outcome) set(f facts) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for k, v := range f {
		o.line[k] = v
	}
}

func (o *outcome) task(name string, f facts, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if f == nil {
		f = facts{}
	}
	if err != nil {
		f["error"] = err.Error()
	}
	o.results[name] = f
}

// fail notes what went wrong first.
func (o *outcome) fail(format string, args ...any) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.line["error"] == nil {
		o.line["error"] = fmt.Sprintf(format, args...)
	}
}

// exit prints the line and ends the process; the lock is kept on purpose.
func (o *outcome) exit() {
	o.mu.Lock()
	code := 1
	if o.line["error"] == nil {
		o.line["ok"] = true
		code = 0
	}
	printLine(o.line)
	os.Exit(code)
}

// dial connects, does the tasks and prints what they told.
func dial(target string, opts options) error {
	result := newOutcome(opts)
	limit := totalLimit + opts.repeat
	for _, next := range opts.do {
		limit += next.limit() - taskLimit
	}
	time.AfterFunc(limit, func() {
		result.fail("not done within %s", limit)
		result.exit()
	})
	d, err := connect(target, opts)
	if err != nil {
		result.fail("%v", err)
		result.exit()
	}
	state := d.conn.ConnState()
	result.set(facts{
		"remotePeer": d.conn.RemotePeer().String(),
		"security":   state.Security,
		"muxer":      state.StreamMultiplexer,
		"early":      state.UsedEarlyMuxerNegotiation,
	})
	begin := time.Now()
	rounds := 0
	for failed := false; rounds == 0 || !failed && time.Since(begin) < opts.repeat; rounds++ {
		for _, next := range opts.do {
			d.size = next.number
			ctx, cancel := context.WithTimeout(context.Background(), next.limit())
			f, err := tasks[next.name](d, ctx)
			cancel()
			result.task(next.label, f, err)
			if err != nil {
				result.fail("%s: %v", next.label, err)
				failed = true
			}
		}
	}
	result.set(facts{"rounds": rounds})
	closeHost(d.host)
	result.exit()
	return nil
}

func connect(target string, opts options) (*dialer, error) {
	info, err := peer.AddrInfoFromString(target)
	if err != nil {
		return nil, err
	}
	if strings.Contains(target, "/p2p-circuit") {
		opts.circuit = target
	}
	h, err := newHost(opts, false)
	if err != nil {
		return nil, err
	}
	serve(h, func(facts) {})
	identified, err := h.EventBus().Subscribe([]any{
		new(event.EvtPeerIdentificationCompleted),
		new(event.EvtPeerIdentificationFailed),
	})
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), connectLimit)
	defer cancel()
	ctx = network.WithAllowLimitedConn(ctx, "a test of relays")
	if err := h.Connect(ctx, *info); err != nil {
		return nil, err
	}
	conns := h.Network().ConnsToPeer(info.ID)
	if len(conns) == 0 {
		return nil, errors.New("the connection was closed at once")
	}
	return &dialer{host: h, conn: conns[0], identify: identified.Out()}, nil
}

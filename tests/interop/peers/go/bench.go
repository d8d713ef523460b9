// Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/peerstore"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/libp2p/go-libp2p/p2p/protocol/ping"
	msmux "github.com/multiformats/go-multistream"
)

const smallBlock = 4096

// order is one line of the standard input of a bench dialer.
type order struct {
	Do     string `json:"do"`
	Amount int    `json:"amount"`
	Lanes  int    `json:"lanes"`
	Block  int    `json:"block"`
}

// bencher is a dialer that does what it is told as often as it is told.
type bencher struct {
	target peer.AddrInfo
	opts   options
	// What all works but handshakes use; it is connected.
	host host.Host
	// What handshakes use, one for each lane.
	lanes []host.Host
}

// benchListen serves without a word, and with nothing but what the works need.
func benchListen(opts options) error {
	h, err := newHost(opts, true)
	if err != nil {
		return err
	}
	handlers := map[protocol.ID]func(network.Stream) error{echoID: benchEcho, perfID: benchPerf}
	for id, handler := range handlers {
		h.SetStreamHandler(id, func(s network.Stream) {
			if err := handler(s); err != nil {
				s.Reset()
				return
			}
			s.Close()
		})
	}
	addrs := []string{}
	for _, a := range h.Network().ListenAddresses() {
		addrs = append(addrs, fmt.Sprintf("%s/p2p/%s", a, h.ID()))
	}
	printLine(facts{"peerId": h.ID().String(), "addrs": addrs, "pid": os.Getpid()})
	io.Copy(io.Discard, os.Stdin)
	return nil
}

func benchEcho(s network.Stream) error {
	block := make([]byte, smallBlock)
	for {
		n, err := s.Read(block)
		if n > 0 {
			if _, err := s.Write(block[:n]); err != nil {
				return err
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func benchPerf(s network.Stream) error {
	var header [8]byte
	if _, err := io.ReadFull(s, header[:]); err != nil {
		return err
	}
	if _, err := drain(s); err != nil {
		return err
	}
	return writeBlocks(s, int(binary.BigEndian.Uint64(header[:])), blockSize)
}

// drain reads to the end in large pieces, which io.Discard would not do.
func drain(s network.Stream) (int64, error) {
	return io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{s}, make([]byte, blockSize))
}

func writeBlocks(s network.Stream, size int, most int) error {
	block := make([]byte, most)
	for size > 0 {
		n, err := s.Write(block[:min(size, most)])
		if err != nil {
			return err
		}
		size -= n
	}
	return nil
}

// benchDial does the orders of its standard input, and answers each by a line.
func benchDial(target string, opts options) error {
	info, err := peer.AddrInfoFromString(target)
	if err != nil {
		return err
	}
	b := &bencher{target: *info, opts: opts}
	works := map[string]func(order) (facts, error){
		"upload":     b.upload,
		"download":   b.download,
		"streams":    b.streams,
		"handshakes": b.handshakes,
		"ping":       b.ping,
	}
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		o := order{Lanes: 1, Block: blockSize}
		if err := json.Unmarshal(lines.Bytes(), &o); err != nil {
			return err
		}
		work, ok := works[o.Do]
		if !ok {
			printLine(facts{"error": fmt.Sprintf("unknown work %q", o.Do)})
			continue
		}
		f, err := work(o)
		if err != nil {
			f = facts{"error": err.Error()}
		}
		printLine(f)
	}
	return lines.Err()
}

// connected gives the host that has a connection, made on first use.
func (b *bencher) connected() (host.Host, error) {
	if b.host == nil {
		h, err := newHost(b.opts, false)
		if err != nil {
			return nil, err
		}
		b.host = h
	}
	ctx, cancel := context.WithTimeout(context.Background(), connectLimit)
	defer cancel()
	return b.host, b.host.Connect(ctx, b.target)
}

// inLanes runs a function in as many lanes as are wanted, and takes the time
// of all together.
func inLanes(lanes int, run func(lane int) error) (facts, error) {
	errs := make([]error, lanes)
	var ends sync.WaitGroup
	begin := time.Now()
	for i := range lanes {
		ends.Go(func() { errs[i] = run(i) })
	}
	ends.Wait()
	f := facts{"seconds": time.Since(begin).Seconds()}
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	return f, nil
}

func (b *bencher) perf(o order, send int, want int) (facts, error) {
	h, err := b.connected()
	if err != nil {
		return nil, err
	}
	return inLanes(o.Lanes, func(int) error {
		s, err := h.NewStream(context.Background(), b.target.ID, perfID)
		if err != nil {
			return err
		}
		defer s.Close()
		if err := binary.Write(s, binary.BigEndian, uint64(want)); err != nil {
			return err
		}
		if err := writeBlocks(s, send, o.Block); err != nil {
			return err
		}
		if err := s.CloseWrite(); err != nil {
			return err
		}
		n, err := drain(s)
		if err == nil && n != int64(want) {
			err = fmt.Errorf("%d of %d bytes came", n, want)
		}
		return err
	})
}

func (b *bencher) upload(o order) (facts, error) {
	return b.perf(o, o.Amount/o.Lanes, 0)
}

func (b *bencher) download(o order) (facts, error) {
	return b.perf(o, 0, o.Amount/o.Lanes)
}

// echoed sends a few bytes and reads them back.
func echoed(s network.Stream, sent []byte) error {
	if _, err := s.Write(sent); err != nil {
		return err
	}
	_, err := io.ReadFull(s, make([]byte, len(sent)))
	return err
}

func (b *bencher) streams(o order) (facts, error) {
	h, err := b.connected()
	if err != nil {
		return nil, err
	}
	var begun atomic.Int64
	return inLanes(o.Lanes, func(int) error {
		for begun.Add(1) <= int64(o.Amount) {
			s, err := h.NewStream(context.Background(), b.target.ID, echoID)
			if err != nil {
				return err
			}
			if err := echoed(s, []byte("12345")); err != nil {
				return err
			}
			if err := s.Close(); err != nil {
				return err
			}
		}
		return nil
	})
}

// handshakes dials inside the swarm, since Connect and NewStream of the host
// would wait for identify.
func (b *bencher) handshakes(o order) (facts, error) {
	for len(b.lanes) < o.Lanes {
		h, err := newHost(b.opts, false)
		if err != nil {
			return nil, err
		}
		h.Peerstore().AddAddrs(b.target.ID, b.target.Addrs, peerstore.PermanentAddrTTL)
		b.lanes = append(b.lanes, h)
	}
	var begun atomic.Int64
	var mu sync.Mutex
	times := []float64{}
	f, err := inLanes(o.Lanes, func(i int) error {
		for begun.Add(1) <= int64(o.Amount) {
			begin := time.Now()
			if err := b.handshake(b.lanes[i], func() {
				mu.Lock()
				defer mu.Unlock()
				times = append(times, float64(time.Since(begin).Nanoseconds())/1000)
			}); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		f["times"] = times
	}
	return f, err
}

func (b *bencher) handshake(h host.Host, answered func()) error {
	ctx, cancel := context.WithTimeout(context.Background(), connectLimit)
	defer cancel()
	c, err := h.Network().DialPeer(ctx, b.target.ID)
	if err != nil {
		return err
	}
	s, err := c.NewStream(ctx)
	if err != nil {
		return err
	}
	if err := s.SetProtocol(echoID); err != nil {
		return err
	}
	lazy := msmux.NewMSSelect(s, echoID)
	if _, err := lazy.Write([]byte{1}); err != nil {
		return err
	}
	if _, err := io.ReadFull(lazy, make([]byte, 1)); err != nil {
		return err
	}
	answered()
	s.Close()
	return c.Close()
}

func (b *bencher) ping(o order) (facts, error) {
	h, err := b.connected()
	if err != nil {
		return nil, err
	}
	s, err := h.NewStream(context.Background(), b.target.ID, ping.ID)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	sent, times := make([]byte, ping.PingSize), make([]float64, o.Amount)
	f, err := inLanes(1, func(int) error {
		for i := range times {
			begin := time.Now()
			if err := echoed(s, sent); err != nil {
				return err
			}
			times[i] = float64(time.Since(begin).Nanoseconds()) / 1000
		}
		return nil
	})
	if err == nil {
		f["times"] = times
	}
	return f, err
}

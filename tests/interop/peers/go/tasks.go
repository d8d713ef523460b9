// Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strconv"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/event"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/libp2p/go-libp2p/p2p/protocol/ping"
)

var tasks = map[string]func(*dialer, context.Context) (facts, error){
	"ping":         (*dialer).ping,
	"identify":     (*dialer).identified,
	"echo":         (*dialer).echo,
	"halfclose":    (*dialer).halfClose,
	"reset":        (*dialer).reset,
	"remote-reset": (*dialer).remoteReset,
	"back":         (*dialer).back,
	"many":         (*dialer).many,
	"perf":         (*dialer).perf,
	"idle":         (*dialer).idle,
}

// open opens a stream as an application of this package would, which sends
// the negotiation lazily once identify has told that the protocol is known.
func (d *dialer) open(ctx context.Context, id protocol.ID) (network.Stream, error) {
	ctx = network.WithAllowLimitedConn(network.WithNoDial(ctx, "one connection"), "a test of relays")
	s, err := d.host.NewStream(ctx, d.conn.RemotePeer(), id)
	if err != nil {
		return nil, err
	}
	if deadline, ok := ctx.Deadline(); ok {
		s.SetDeadline(deadline)
	}
	return s, nil
}

func (d *dialer) ping(ctx context.Context) (facts, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	times := []float64{}
	pings := ping.Ping(network.WithNoDial(ctx, "one connection"), d.host, d.conn.RemotePeer())
	for range pingCount {
		select {
		case p, ok := <-pings:
			if !ok {
				return facts{"ms": times}, errors.New("the ping stream has ended")
			}
			if p.Error != nil {
				return facts{"ms": times}, p.Error
			}
			times = append(times, float64(p.RTT.Microseconds())/1000)
		case <-ctx.Done():
			return facts{"ms": times}, ctx.Err()
		}
	}
	return facts{"ms": times}, nil
}

func (d *dialer) identified(ctx context.Context) (facts, error) {
	for {
		select {
		case e := <-d.identify:
			switch e := e.(type) {
			case event.EvtPeerIdentificationFailed:
				return nil, e.Reason
			case event.EvtPeerIdentificationCompleted:
				addrs := []string{}
				for _, a := range e.ListenAddrs {
					addrs = append(addrs, a.String())
				}
				f := facts{
					"agentVersion":    e.AgentVersion,
					"protocolVersion": e.ProtocolVersion,
					"protocols":       e.Protocols,
					"listenAddrs":     addrs,
					"observedAddr":    nil,
				}
				if e.ObservedAddr != nil {
					f["observedAddr"] = e.ObservedAddr.String()
				}
				return f, nil
			}
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (d *dialer) echo(ctx context.Context) (facts, error) {
	s, err := d.open(ctx, echoID)
	if err != nil {
		return nil, err
	}
	n, err := exchange(s, pattern{}, d.size, nil)
	if err == nil && n != d.size {
		err = fmt.Errorf("%d of %d bytes came back", n, d.size)
	}
	f := facts{"bytes": n, "equal": err == nil}
	if err != nil {
		s.Reset()
		return f, err
	}
	return f, s.Close()
}

func (d *dialer) halfClose(ctx context.Context) (facts, error) {
	s, err := d.open(ctx, sinkID)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	if err := sendPattern(s, pattern{}, d.size, nil); err != nil {
		return nil, err
	}
	answer, err := io.ReadAll(io.LimitReader(s, 100))
	f := facts{"bytes": d.size, "answer": string(answer)}
	if err == nil && string(answer) != strconv.Itoa(d.size) {
		err = errors.New("the remote counted otherwise")
	}
	return f, err
}

func (d *dialer) reset(ctx context.Context) (facts, error) {
	s, err := d.open(ctx, echoID)
	if err != nil {
		return nil, err
	}
	defer s.Reset()
	sent, got := make([]byte, 10), make([]byte, 10)
	pattern{}.fill(sent, 0)
	if _, err := s.Write(sent); err != nil {
		return nil, err
	}
	n, err := io.ReadFull(s, got)
	if err == nil && !bytes.Equal(sent, got) {
		err = errDiffers
	}
	return facts{"bytes": n}, err
}

func (d *dialer) remoteReset(ctx context.Context) (facts, error) {
	s, err := d.open(ctx, resetID)
	if err != nil {
		return nil, err
	}
	defer s.Reset()
	if _, err := s.Write([]byte{1}); err != nil {
		return nil, err
	}
	n, err := io.Copy(io.Discard, s)
	f := facts{"bytes": n, "reset": false, "code": nil}
	if err == nil {
		return f, errors.New("the stream ended cleanly instead of by a reset")
	}
	if !isStreamReset(s, err) {
		return f, err
	}
	f["reset"] = true
	var streamError *network.StreamError
	if errors.As(err, &streamError) {
		f["code"] = streamError.ErrorCode
	}
	return f, nil
}

func (d *dialer) back(ctx context.Context) (facts, error) {
	s, err := d.open(ctx, backID)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	if err := s.CloseWrite(); err != nil {
		return nil, err
	}
	answer, err := io.ReadAll(io.LimitReader(s, 100))
	if err == nil && string(answer) != "ok" {
		err = errors.New("the remote could not call back")
	}
	return facts{"answer": string(answer)}, err
}

// many holds a hundred streams open at the same time: no stream sends its
// second half before every stream has sent its first.
func (d *dialer) many(ctx context.Context) (facts, error) {
	var halves, ends sync.WaitGroup
	var mu sync.Mutex
	var first error
	equal := 0
	// All at once: a wait must not end while some of them are still to come.
	halves.Add(manyStreams)
	for i := range manyStreams {
		ends.Go(func() {
			half := sync.OnceFunc(halves.Done)
			defer half()
			err := d.oneOfMany(ctx, i, func() { half(); halves.Wait() })
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				equal++
			} else if first == nil {
				first = fmt.Errorf("stream %d: %w", i, err)
			}
		})
	}
	ends.Wait()
	return facts{"streams": manyStreams, "equal": equal}, first
}

func (d *dialer) oneOfMany(ctx context.Context, i int, half func()) error {
	s, err := d.open(ctx, echoID)
	if err != nil {
		return err
	}
	n, err := exchange(s, pattern{seed: i}, manyBytes, half)
	if err == nil && n != manyBytes {
		err = fmt.Errorf("%d of %d bytes came back", n, manyBytes)
	}
	if err != nil {
		s.Reset()
		return err
	}
	return s.Close()
}

func (d *dialer) perf(ctx context.Context) (facts, error) {
	s, err := d.open(ctx, perfID)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	begin := time.Now()
	if err := binary.Write(s, binary.BigEndian, uint64(d.size)); err != nil {
		return nil, err
	}
	if err := writeZeros(s, uint64(d.size)); err != nil {
		return nil, err
	}
	if err := s.CloseWrite(); err != nil {
		return nil, err
	}
	n, err := io.Copy(io.Discard, s)
	if err == nil && n != int64(d.size) {
		err = fmt.Errorf("%d of %d bytes came", n, d.size)
	}
	return facts{"uploadBytes": d.size, "downloadBytes": n, "seconds": time.Since(begin).Seconds()}, err
}

// idle leaves the connection alone for as many seconds as it is told to.
func (d *dialer) idle(ctx context.Context) (facts, error) {
	select {
	case <-time.After(time.Duration(d.size) * time.Second):
		return facts{"seconds": d.size}, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

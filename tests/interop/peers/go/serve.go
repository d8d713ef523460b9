// Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"time"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/libp2p/go-yamux/v5"
	msmux "github.com/multiformats/go-multistream"
)

const (
	echoID  protocol.ID = "/echo/1.0.0"
	perfID  protocol.ID = "/perf/1.0.0"
	resetID protocol.ID = "/test/reset/1.0.0"
	sinkID  protocol.ID = "/test/sink/1.0.0"
	backID  protocol.ID = "/test/back/1.0.0"
)

// serve registers the protocols of the contract that the package does not
// bring itself. Each stream and the way it ends is told to report.
func serve(h host.Host, report func(facts)) {
	handlers := map[protocol.ID]func(network.Stream, func(int64)) error{
		echoID:  serveEcho,
		perfID:  servePerf,
		resetID: serveReset,
		sinkID:  serveSink,
		backID:  serveBack,
	}
	for id, handler := range handlers {
		h.SetStreamHandler(id, func(s network.Stream) {
			report(facts{"event": "stream", "protocol": id})
			err := handler(s, func(n int64) {
				report(facts{"event": "halfclosed", "protocol": id, "bytes": n})
			})
			switch {
			case err == nil:
				s.Close()
			case isStreamReset(s, err):
				report(facts{"event": "reset", "protocol": id})
				s.Reset()
			default:
				fmt.Fprintf(os.Stderr, "peer: %s: %v\n", id, err)
				s.Reset()
			}
		})
	}
}

// isStreamReset tells a reset of this one stream by the remote from the end of
// its whole connection, which the muxers report as a reset too. mplex does so
// a moment before the connection counts as closed. yamux reports a reset that
// came without a code, in a frame of data, by an error that tells nothing else.
func isStreamReset(s network.Stream, err error) bool {
	var streamError *network.StreamError
	if errors.As(err, &streamError) {
		return streamError.Remote
	}
	if parts, ok := err.(interface{ Unwrap() []error }); ok && slices.Contains(parts.Unwrap(), error(yamux.ErrStreamReset)) {
		return true
	}
	var connError *network.ConnError
	if !errors.Is(err, network.ErrReset) || errors.As(err, &connError) {
		return false
	}
	for range 5 {
		if s.Conn().IsClosed() {
			return false
		}
		time.Sleep(10 * time.Millisecond)
	}
	return true
}

func serveEcho(s network.Stream, halfClosed func(int64)) error {
	n, err := io.CopyBuffer(struct{ io.Writer }{s}, struct{ io.Reader }{s}, make([]byte, blockSize))
	if err != nil {
		return err
	}
	halfClosed(n)
	return s.CloseWrite()
}

func servePerf(s network.Stream, halfClosed func(int64)) error {
	var header [8]byte
	if _, err := io.ReadFull(s, header[:]); err != nil {
		return err
	}
	n, err := io.Copy(io.Discard, s)
	if err != nil {
		return err
	}
	halfClosed(int64(len(header)) + n)
	if err := writeZeros(s, binary.BigEndian.Uint64(header[:])); err != nil {
		return err
	}
	return s.CloseWrite()
}

func serveReset(s network.Stream, _ func(int64)) error {
	var one [1]byte
	if _, err := io.ReadFull(s, one[:]); err != nil {
		return err
	}
	return s.Reset()
}

func serveSink(s network.Stream, halfClosed func(int64)) error {
	n, err := io.Copy(io.Discard, s)
	if err != nil {
		return err
	}
	halfClosed(n)
	if _, err := io.WriteString(s, strconv.FormatInt(n, 10)); err != nil {
		return err
	}
	return s.CloseWrite()
}

func serveBack(s network.Stream, halfClosed func(int64)) error {
	answer := "ok"
	if err := callBack(s.Conn()); err != nil {
		fmt.Fprintf(os.Stderr, "peer: calling back: %v\n", err)
		answer = "bad"
	}
	if _, err := io.WriteString(s, answer); err != nil {
		return err
	}
	if err := s.CloseWrite(); err != nil {
		return err
	}
	s.SetReadDeadline(time.Now().Add(taskLimit))
	n, err := io.Copy(io.Discard, s)
	if err != nil {
		return err
	}
	halfClosed(n)
	return nil
}

// callBack opens an echo stream on exactly this connection and compares what
// comes back.
func callBack(c network.Conn) error {
	ctx, cancel := context.WithTimeout(context.Background(), taskLimit)
	defer cancel()
	s, err := c.NewStream(ctx)
	if err != nil {
		return err
	}
	deadline, _ := ctx.Deadline()
	s.SetDeadline(deadline)
	if err := msmux.SelectProtoOrFail(echoID, s); err != nil {
		s.Reset()
		return err
	}
	if err := s.SetProtocol(echoID); err != nil {
		s.Reset()
		return err
	}
	n, err := exchange(s, pattern{}, backBytes, nil)
	if err != nil {
		s.Reset()
		return err
	}
	if n != backBytes {
		s.Reset()
		return fmt.Errorf("%d of %d bytes came back", n, backBytes)
	}
	return s.Close()
}

// Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

package main

import (
	"bytes"
	"errors"
	"io"

	"github.com/libp2p/go-libp2p/core/network"
)

// pattern is an endless text whose bytes tell their place and their stream.
type pattern struct{ seed int }

func (p pattern) fill(b []byte, offset int) {
	for i := range b {
		b[i] = byte((p.seed + offset + i) % 251)
	}
}

var errDiffers = errors.New("what came back differs from what was sent")

// exchange sends size bytes of a pattern, reading at the same time, closes
// the writing side, and compares what comes back until the remote does so too.
// It returns how many bytes came back. A half, if given, is called between the
// halves of what is sent.
func exchange(s network.Stream, p pattern, size int, half func()) (int, error) {
	sent := make(chan error, 1)
	go func() { sent <- sendPattern(s, p, size, half) }()
	got := make([]byte, blockSize)
	want := make([]byte, blockSize)
	total := 0
	for {
		n, err := s.Read(got)
		p.fill(want[:n], total)
		total += n
		if total > size || !bytes.Equal(got[:n], want[:n]) {
			return total, errDiffers
		}
		if err == io.EOF {
			return total, <-sent
		}
		if err != nil {
			return total, err
		}
	}
}

func sendPattern(s network.Stream, p pattern, size int, half func()) error {
	block := make([]byte, blockSize)
	middle := size / 2
	for offset := 0; offset < size; {
		if half != nil && offset == middle {
			half()
		}
		n := min(blockSize, size-offset)
		if offset < middle {
			n = min(n, middle-offset)
		}
		p.fill(block[:n], offset)
		if _, err := s.Write(block[:n]); err != nil {
			return err
		}
		offset += n
	}
	return s.CloseWrite()
}

func writeZeros(w io.Writer, size uint64) error {
	block := make([]byte, blockSize)
	for size > 0 {
		n := min(size, blockSize)
		if _, err := w.Write(block[:n]); err != nil {
			return err
		}
		size -= n
	}
	return nil
}

// Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"runtime/debug"
	"time"

	"github.com/libp2p/go-libp2p"
	mplex "github.com/libp2p/go-libp2p-mplex"
	"github.com/libp2p/go-libp2p/core/connmgr"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/pnet"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/libp2p/go-libp2p/p2p/muxer/yamux"
	"github.com/libp2p/go-libp2p/p2p/protocol/circuitv2/relay"
	"github.com/libp2p/go-libp2p/p2p/security/insecure"
	"github.com/libp2p/go-libp2p/p2p/security/noise"
	libp2ptls "github.com/libp2p/go-libp2p/p2p/security/tls"
	quic "github.com/libp2p/go-libp2p/p2p/transport/quic"
	"github.com/libp2p/go-libp2p/p2p/transport/tcp"
	webrtc "github.com/libp2p/go-libp2p/p2p/transport/webrtc"
	"github.com/libp2p/go-libp2p/p2p/transport/websocket"
	webtransport "github.com/libp2p/go-libp2p/p2p/transport/webtransport"
	ma "github.com/multiformats/go-multiaddr"
)

// transportOption chooses the transport, and the form of the address that it
// listens on: what follows the host, with the port.
func transportOption(opts options) (libp2p.Option, string, error) {
	switch opts.transport {
	case "tcp":
		return libp2p.Transport(tcp.NewTCPTransport), "tcp/%d", nil
	case "ws":
		return libp2p.Transport(websocket.New), "tcp/%d/ws", nil
	case "quic":
		return libp2p.Transport(quic.NewTransport), "udp/%d/quic-v1", nil
	case "webtransport":
		return libp2p.Transport(webtransport.New), "udp/%d/quic-v1/webtransport", nil
	case "webrtc-direct":
		return libp2p.Transport(webrtc.New), "udp/%d/webrtc-direct", nil
	case "wss":
		certificate, err := tls.LoadX509KeyPair(opts.tlsCert, opts.tlsCert)
		if err != nil {
			return nil, "", err
		}
		pem, err := os.ReadFile(opts.tlsRoots)
		if err != nil {
			return nil, "", err
		}
		roots := x509.NewCertPool()
		roots.AppendCertsFromPEM(pem)
		return libp2p.Transport(
			websocket.New,
			websocket.WithTLSConfig(&tls.Config{Certificates: []tls.Certificate{certificate}}),
			websocket.WithTLSClientConfig(&tls.Config{RootCAs: roots}),
		), "tcp/%d/tls/ws", nil
	}
	return nil, "", fmt.Errorf("unknown transport %q", opts.transport)
}

// newKey makes a key, the same one for each seed.
func newKey(opts options) (crypto.PrivKey, error) {
	if opts.seed != 0 {
		seed := make([]byte, 32)
		seed[0] = byte(opts.seed)
		key, _, err := crypto.GenerateEd25519Key(bytes.NewReader(seed))
		return key, err
	}
	kinds := map[string]struct{ kind, bits int }{
		"ed25519":   {crypto.Ed25519, 0},
		"secp256k1": {crypto.Secp256k1, 0},
		"ecdsa":     {crypto.ECDSA, 0},
		"rsa":       {crypto.RSA, 2048},
	}
	k, ok := kinds[opts.key]
	if !ok {
		return nil, fmt.Errorf("unknown key type %q", opts.key)
	}
	key, _, err := crypto.GenerateKeyPair(k.kind, k.bits)
	return key, err
}

// securityOption chooses the security protocol. A security transport that
// knows no muxers offers none in its handshake, and the muxer is negotiated
// afterwards by multistream-select.
func securityOption(opts options) (libp2p.Option, error) {
	switch opts.security {
	case "noise":
		if opts.lateMuxer {
			return libp2p.Security(noise.ID, func(id protocol.ID, key crypto.PrivKey) (*noise.Transport, error) {
				return noise.New(id, key, nil)
			}), nil
		}
		return libp2p.Security(noise.ID, noise.New), nil
	case "tls":
		if opts.lateMuxer {
			return libp2p.Security(libp2ptls.ID, func(id protocol.ID, key crypto.PrivKey) (*libp2ptls.Transport, error) {
				return libp2ptls.New(id, key, nil)
			}), nil
		}
		return libp2p.Security(libp2ptls.ID, libp2ptls.New), nil
	case "plaintext":
		return libp2p.Security(insecure.ID, insecure.NewWithIdentity), nil
	}
	return nil, fmt.Errorf("unknown security %q", opts.security)
}

func muxerOption(name string) (libp2p.Option, error) {
	switch name {
	case "yamux":
		return libp2p.Muxer(yamux.ID, yamux.DefaultTransport), nil
	case "mplex":
		return libp2p.Muxer(mplex.ID, mplex.DefaultTransport), nil
	}
	return nil, fmt.Errorf("unknown muxer %q", name)
}

// networkOption shuts out who does not know the key of a file, if one is given.
func networkOption(file string) (libp2p.Option, error) {
	if file == "" {
		return libp2p.ChainOptions(), nil
	}
	key, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer key.Close()
	psk, err := pnet.DecodeV1PSK(key)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return libp2p.PrivateNetwork(psk), nil
}

// userAgent tells identify which package this is; the default would be the
// name of this program.
func userAgent() string {
	const module = "github.com/libp2p/go-libp2p"
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, dep := range info.Deps {
			if dep.Path == module {
				return "go-libp2p/" + dep.Version
			}
		}
	}
	return "go-libp2p"
}

// relayOption makes a relay of the host, or lets it use one, or has it find out whether
// it can be dialed.
func relayOption(opts options) libp2p.Option {
	switch {
	case opts.relay:
		// Otherwise it names no address of loopback, and rust-libp2p wants one.
		all := relay.WithReservationAddressFilter(func(ma.Multiaddr) bool { return true })
		return libp2p.ChainOptions(libp2p.EnableRelayService(all), libp2p.ForceReachabilityPublic())
	case opts.circuit != "":
		return libp2p.ChainOptions(libp2p.EnableRelay(), libp2p.ForceReachabilityPrivate())
	}
	switch opts.autonat {
	case 1:
		return libp2p.ChainOptions(
			libp2p.DisableRelay(),
			libp2p.EnableNATService(),
			libp2p.AutoNATServiceRateLimit(100, 100, time.Minute),
			libp2p.ForceReachabilityPublic(),
		)
	case 2:
		// Otherwise the server takes all UDP for a black hole (go-libp2p#3491).
		return libp2p.ChainOptions(
			libp2p.DisableRelay(),
			libp2p.EnableAutoNATv2(),
			libp2p.UDPBlackHoleSuccessCounter(nil),
			libp2p.IPv6BlackHoleSuccessCounter(nil),
		)
	}
	return libp2p.ChainOptions(libp2p.DisableRelay(), libp2p.ForceReachabilityPrivate())
}

// newHost makes a host that speaks exactly one stack, has no limits unless it
// is to keep those of the package, and talks to nobody but the peers of the test.
func newHost(opts options, listening bool) (host.Host, error) {
	transport, path, err := transportOption(opts)
	if err != nil {
		return nil, err
	}
	key, err := newKey(opts)
	if err != nil {
		return nil, err
	}
	security, err := securityOption(opts)
	if err != nil {
		return nil, err
	}
	muxer, err := muxerOption(opts.muxer)
	if err != nil {
		return nil, err
	}
	private, err := networkOption(opts.psk)
	if err != nil {
		return nil, err
	}
	limits := libp2p.ChainOptions(
		libp2p.ResourceManager(&network.NullResourceManager{}),
		libp2p.ConnectionManager(connmgr.NullConnMgr{}),
	)
	if opts.defaults {
		limits = libp2p.ChainOptions()
	}
	addrs := libp2p.NoListenAddrs
	if listening {
		addrs = libp2p.ListenAddrStrings(fmt.Sprintf("/ip4/%s/"+path, opts.host, opts.port))
	}
	return libp2p.New(
		libp2p.Identity(key),
		libp2p.UserAgent(userAgent()),
		transport,
		security,
		muxer,
		private,
		addrs,
		relayOption(opts),
		libp2p.DisableIdentifyAddressDiscovery(),
		libp2p.DisableMetrics(),
		limits,
	)
}

// closeHost closes a host, but does not wait for it forever.
func closeHost(h host.Host) {
	closed := make(chan struct{})
	go func() {
		h.Close()
		close(closed)
	}()
	select {
	case <-closed:
	case <-time.After(closeLimit):
	}
}

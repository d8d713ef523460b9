// Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"
	p2phttp "github.com/libp2p/go-libp2p/p2p/http"
	httpauth "github.com/libp2p/go-libp2p/p2p/http/auth"
	ma "github.com/multiformats/go-multiaddr"
)

// greetingID is the application protocol that web serves, and its path.
const (
	greetingID   = "/greeting/1.0.0"
	greetingPath = "/hello/"
)

// webLimit is how long a request of the test may take.
const webLimit = 30 * time.Second

// web serves a greeting over streams, and, with the file of a certificate, over TLS to
// clients that prove their peer ids. Each line of standard input is a request, which is
// answered by a line; see ../README.rst.
func web(args []string) error {
	if len(args) != 2 {
		usage("web needs the files of a certificate and of the authorities")
	}
	key, _, err := crypto.GenerateEd25519Key(rand.Reader)
	if err != nil {
		return err
	}
	h, err := libp2p.New(libp2p.Identity(key), libp2p.ListenAddrStrings("/ip4/127.0.0.1/tcp/0"))
	if err != nil {
		return err
	}
	defer h.Close()
	served := &p2phttp.Host{StreamHost: h}
	served.SetHTTPHandlerAtPath(greetingID, greetingPath, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s %s, %s", r.Method, r.URL.Path, p2phttp.ClientPeerID(r))
	}))
	go served.Serve()
	defer served.Close()
	url, err := serveProven(key, args[0])
	if err != nil {
		return err
	}
	addrs := []string{}
	for _, a := range h.Addrs() {
		addrs = append(addrs, fmt.Sprintf("%s/p2p/%s", a, h.ID()))
	}
	printLine(facts{"peerId": h.ID().String(), "addrs": addrs, "pid": os.Getpid(), "url": url})
	roots, err := os.ReadFile(args[1])
	if err != nil {
		return err
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(roots)
	prover := &httpauth.ClientPeerIDAuth{PrivKey: key}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}}
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		words := strings.Fields(lines.Text())
		result, err := webAsk(served, prover, client, words)
		if err != nil {
			printLine(facts{"ok": false, "error": err.Error()})
		} else {
			printLine(facts{"ok": true, "result": result})
		}
	}
	return lines.Err()
}

// serveProven listens with TLS for clients that prove their peer ids.
func serveProven(key crypto.PrivKey, certificate string) (string, error) {
	pair, err := tls.LoadX509KeyPair(certificate, certificate)
	if err != nil {
		return "", err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	proven := &httpauth.ServerPeerIDAuth{
		PrivKey:  key,
		TokenTTL: time.Hour,
		Next: func(id peer.ID, w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			fmt.Fprintf(w, "%s %s %q, %s", r.Method, r.URL.Path, body, id)
		},
	}
	server := &http.Server{Handler: proven, TLSConfig: &tls.Config{Certificates: []tls.Certificate{pair}}}
	go server.ServeTLS(listener, "", "")
	return fmt.Sprintf("https://localhost:%d", listener.Addr().(*net.TCPAddr).Port), nil
}

// webAsk sends the request of one line: to a peer over a stream, or to a server over TLS.
func webAsk(host *p2phttp.Host, prover *httpauth.ClientPeerIDAuth, client *http.Client, words []string) (any, error) {
	ctx, cancel := context.WithTimeout(context.Background(), webLimit)
	defer cancel()
	switch {
	case len(words) == 4 && words[0] == "get":
		address, err := ma.NewMultiaddr(words[1])
		if err != nil {
			return nil, err
		}
		server, err := peer.AddrInfoFromP2pAddr(address)
		if err != nil {
			return nil, err
		}
		namespaced, err := host.NamespacedClient(greetingID, *server)
		if err != nil {
			return nil, err
		}
		request, err := http.NewRequestWithContext(ctx, words[2], words[3], nil)
		if err != nil {
			return nil, err
		}
		return bodyOf(namespaced.Do(request))
	case len(words) == 3 && words[0] == "prove":
		request, err := http.NewRequestWithContext(ctx, "POST", words[1], strings.NewReader(words[2]))
		if err != nil {
			return nil, err
		}
		request.Host = request.URL.Hostname()
		server, response, err := prover.AuthenticatedDo(client, request)
		if err != nil {
			return nil, err
		}
		body, err := bodyOf(response, nil)
		return []any{server.String(), body}, err
	}
	return nil, errors.New("unknown request")
}

// bodyOf reads the text of a response.
func bodyOf(response *http.Response, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = errors.New(response.Status)
	}
	return string(text), err
}

// Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

// Command pebble is Pebble, the test server of the authors of ACME, on a free port of
// the loopback interface. It prints one line, and ends when its standard input does.
//
//	pebble CERTIFICATE DNS SECONDS
//
// CERTIFICATE is a PEM file of the certificate and the key of its web server, DNS the
// HOST:PORT of the DNS server that it asks, SECONDS the life of the certificates that
// it issues.
package main

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strconv"

	"github.com/letsencrypt/pebble/v2/ca"
	"github.com/letsencrypt/pebble/v2/db"
	"github.com/letsencrypt/pebble/v2/va"
	"github.com/letsencrypt/pebble/v2/wfe"
)

func serve(certificate, dns, life string) error {
	// It neither waits before it validates, nor reuses old proofs; 5 % of the nonces
	// are refused.
	os.Setenv("PEBBLE_VA_NOSLEEP", "1")
	os.Setenv("PEBBLE_AUTHZREUSE", "0")
	pair, err := tls.LoadX509KeyPair(certificate, certificate)
	if err != nil {
		return err
	}
	seconds, err := strconv.ParseUint(life, 10, 32)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	logger := log.New(os.Stderr, "", 0)
	store := db.NewMemoryStore()
	profiles := map[string]ca.Profile{"default": {Description: "default", ValidityPeriod: seconds}}
	authority := ca.New(logger, store, "", "ecdsa", 0, 1, profiles)
	validator := va.New(logger, 0, 0, true, dns, store)
	front := wfe.New(logger, store, validator, authority, []string{"pebble.test"}, true, false, 1, 1)
	server := &http.Server{Handler: front.Handler(), TLSConfig: &tls.Config{Certificates: []tls.Certificate{pair}}}
	go server.ServeTLS(listener, "", "")
	line, err := json.Marshal(map[string]any{
		"directory": fmt.Sprintf("https://localhost:%d%s", listener.Addr().(*net.TCPAddr).Port, wfe.DirectoryPath),
		"root":      string(authority.GetRootCert(0).PEM()),
	})
	if err != nil {
		return err
	}
	fmt.Println(string(line))
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

func main() {
	if len(os.Args) != 4 {
		fmt.Fprintln(os.Stderr, "pebble: CERTIFICATE DNS SECONDS")
		os.Exit(2)
	}
	if err := serve(os.Args[1], os.Args[2], os.Args[3]); err != nil {
		fmt.Fprintln(os.Stderr, "pebble:", err)
		os.Exit(1)
	}
}

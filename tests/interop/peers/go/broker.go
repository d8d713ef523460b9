// Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

package main

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"
	httpauth "github.com/libp2p/go-libp2p/p2p/http/auth"
	"github.com/miekg/dns"
	ma "github.com/multiformats/go-multiaddr"
	"github.com/multiformats/go-multibase"
)

// records are the TXT records of a broker, by the names of their peers in base36.
type records struct {
	lock   sync.Mutex
	values map[string]string
}

// request is the body of a request; p2p-forge refuses other fields, too.
type request struct {
	Value     string   `json:"value"`
	Addresses []string `json:"addresses"`
}

// broker does what the broker of libp2p.direct does for the clients of AutoTLS: it
// checks their peer ids, dials them, and publishes their proofs in the DNS.
func broker(args []string) error {
	if len(args) != 1 {
		usage("broker needs the file of a certificate")
	}
	key, _, err := crypto.GenerateEd25519Key(rand.Reader)
	if err != nil {
		return err
	}
	pair, err := tls.LoadX509KeyPair(args[0], args[0])
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	// Pebble asks by TCP.
	queries, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	known := &records{values: map[string]string{}}
	names := &dns.Server{Listener: queries, Handler: dns.HandlerFunc(known.answer)}
	go names.ActivateAndServe()
	proven := &httpauth.ServerPeerIDAuth{PrivKey: key, TokenTTL: time.Hour, Next: known.serve}
	mux := http.NewServeMux()
	mux.Handle("/v1/_acme-challenge", proven)
	server := &http.Server{Handler: mux, TLSConfig: &tls.Config{Certificates: []tls.Certificate{pair}}}
	go server.ServeTLS(listener, "", "")
	printLine(facts{
		"url": fmt.Sprintf("https://localhost:%d", listener.Addr().(*net.TCPAddr).Port),
		"dns": queries.Addr().String(),
	})
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

// serve publishes the proof of a peer that can be dialed.
func (r *records) serve(id peer.ID, w http.ResponseWriter, asked *http.Request) {
	if asked.Method != http.MethodPost {
		http.Error(w, "only POST", http.StatusBadRequest)
		return
	}
	wanted := request{}
	decoder := json.NewDecoder(asked.Body)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&wanted); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	digest, err := base64.RawURLEncoding.DecodeString(wanted.Value)
	if err != nil || len(digest) != 32 {
		http.Error(w, "value is no digest", http.StatusBadRequest)
		return
	}
	agent, err := dialBack(asked.Context(), id, wanted.Addresses)
	if err != nil {
		http.Error(w, "error testing addresses: "+err.Error(), http.StatusBadRequest)
		return
	}
	name, err := peer.ToCid(id).StringOfBase(multibase.Base36)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	r.lock.Lock()
	r.values[name] = wanted.Value
	r.lock.Unlock()
	printLine(facts{"event": "published", "peer": id.String(), "agent": agent, "addrs": wanted.Addresses})
}

// dialBack dials a peer, and returns the name of its software.
func dialBack(ctx context.Context, id peer.ID, addresses []string) (string, error) {
	h, err := libp2p.New(libp2p.NoListenAddrs)
	if err != nil {
		return "", err
	}
	defer h.Close()
	parsed := []ma.Multiaddr{}
	for _, each := range addresses {
		address, err := ma.NewMultiaddr(each)
		if err != nil {
			return "", err
		}
		parsed = append(parsed, address)
	}
	ctx, cancel := context.WithTimeout(ctx, connectLimit)
	defer cancel()
	if err := h.Connect(ctx, peer.AddrInfo{ID: id, Addrs: parsed}); err != nil {
		return "", err
	}
	agent, _ := h.Peerstore().Get(id, "AgentVersion")
	return fmt.Sprint(agent), nil
}

// answer answers a query for a TXT record.
func (r *records) answer(w dns.ResponseWriter, query *dns.Msg) {
	reply := new(dns.Msg)
	reply.SetReply(query)
	reply.Authoritative = true
	for _, question := range query.Question {
		labels := dns.SplitDomainName(strings.ToLower(question.Name))
		if question.Qtype != dns.TypeTXT || len(labels) < 2 || labels[0] != "_acme-challenge" {
			continue
		}
		r.lock.Lock()
		value, found := r.values[labels[1]]
		r.lock.Unlock()
		if found {
			reply.Answer = append(reply.Answer, &dns.TXT{
				Hdr: dns.RR_Header{Name: question.Name, Rrtype: dns.TypeTXT, Class: dns.ClassINET, Ttl: 1},
				Txt: []string{value},
			})
		}
	}
	w.WriteMsg(reply)
}

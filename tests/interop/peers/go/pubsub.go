// Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p"
	pubsub "github.com/libp2p/go-libp2p-pubsub"
	pb "github.com/libp2p/go-libp2p-pubsub/pb"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
)

// pubsubLimit is how long a request of the test may take.
const pubsubLimit = 30 * time.Second

// floodQueue is how many messages of a flood may wait for a peer.
const floodQueue = 20000

// idSize is the size of the id of a message in bytes.
const idSize = 32

// topics is what a peer of topics has: those it has joined, and their meshes.
type topics struct {
	host   host.Host
	router *pubsub.PubSub
	joined map[string]*pubsub.Topic
	taken  map[string]*pubsub.Subscription

	// flooded counts the floods, whose messages have to differ.
	flooded int64

	lock sync.Mutex
	mesh map[string]map[peer.ID]bool
}

// idOf is the id of a message, as in all peers of these tests: the first bytes of its data.
func idOf(message *pb.Message) string {
	return string(message.Data[:min(len(message.Data), idSize)])
}

// servePubsub is a peer of topics. Each line of standard input is a request, which is
// answered by a line; see ../README.rst.
func servePubsub(args []string) error {
	policies := map[string]pubsub.MessageSignaturePolicy{
		"signed": pubsub.StrictSign, "unsigned": pubsub.StrictNoSign,
	}
	if len(args) == 0 || policies[args[0]] == 0 {
		usage("pubsub needs a policy: signed or unsigned")
	}
	h, err := libp2p.New(libp2p.ListenAddrStrings("/ip4/127.0.0.1/tcp/0"))
	if err != nil {
		return err
	}
	defer h.Close()
	t := &topics{
		host:   h,
		joined: map[string]*pubsub.Topic{},
		taken:  map[string]*pubsub.Subscription{},

		flooded: time.Now().UnixNano(),
		mesh:    map[string]map[peer.ID]bool{},
	}
	settings := []pubsub.Option{
		pubsub.WithMessageSignaturePolicy(policies[args[0]]),
		pubsub.WithMessageIdFn(idOf),
		pubsub.WithRawTracer(t),
		// A publisher that does not wait would lose messages beyond these.
		pubsub.WithPeerOutboundQueueSize(floodQueue),
		pubsub.WithValidateQueueSize(floodQueue),
	}
	if len(args) > 1 && args[1] == "exchange" {
		settings = append(settings, pubsub.WithPeerExchange(true))
	}
	if args[0] == "unsigned" {
		settings = append(settings, pubsub.WithNoAuthor())
	}
	t.router, err = pubsub.NewGossipSub(context.Background(), h, settings...)
	if err != nil {
		return err
	}
	addrs := []string{}
	for _, a := range h.Addrs() {
		addrs = append(addrs, fmt.Sprintf("%s/p2p/%s", a, h.ID()))
	}
	printLine(facts{"peerId": h.ID().String(), "addrs": addrs, "pid": os.Getpid()})
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		words := append(strings.Fields(lines.Text()), "", "", "", "")
		result, err := t.request(words)
		if err != nil {
			printLine(facts{"ok": false, "error": err.Error()})
		} else {
			printLine(facts{"ok": true, "result": result})
		}
	}
	return nil
}

// topic joins a topic, unless that was done.
func (t *topics) topic(name string) (*pubsub.Topic, error) {
	if topic := t.joined[name]; topic != nil {
		return topic, nil
	}
	topic, err := t.router.Join(name)
	if err != nil {
		return nil, err
	}
	t.joined[name] = topic
	events, err := topic.EventHandler()
	if err != nil {
		return nil, err
	}
	go reportPeers(events, name)
	return topic, nil
}

// request does one request: its name, and its arguments.
func (t *topics) request(words []string) (any, error) {
	ctx, cancel := context.WithTimeout(context.Background(), pubsubLimit)
	defer cancel()
	name := words[1]
	switch words[0] {
	case "connect":
		info, err := peer.AddrInfoFromString(name)
		if err != nil {
			return nil, err
		}
		return nil, t.host.Connect(ctx, *info)
	case "mesh":
		t.lock.Lock()
		defer t.lock.Unlock()
		peers := []string{}
		for each := range t.mesh[name] {
			peers = append(peers, each.String())
		}
		return peers, nil
	}
	topic, err := t.topic(name)
	if err != nil {
		return nil, err
	}
	switch words[0] {
	case "subscribe":
		taken, err := topic.Subscribe(pubsub.WithBufferSize(1000))
		if err != nil {
			return nil, err
		}
		t.taken[name] = taken
		go reportMessages(taken, t.host.ID())
		return nil, nil
	case "take":
		count, err := strconv.Atoi(words[2])
		if err != nil {
			return nil, err
		}
		if t.taken[name] == nil {
			t.taken[name], err = topic.Subscribe(pubsub.WithBufferSize(floodQueue))
			if err != nil {
				return nil, err
			}
		}
		go countMessages(t.taken[name], t.host.ID(), count)
		return nil, nil
	case "flood":
		count, err := strconv.Atoi(words[2])
		if err != nil {
			return nil, err
		}
		size, err := strconv.Atoi(words[3])
		if err != nil {
			return nil, err
		}
		for i := range count {
			data := make([]byte, size)
			copy(data, fmt.Sprintf("%020d%012d", t.flooded, i))
			if err := topic.Publish(ctx, data); err != nil {
				return nil, err
			}
		}
		t.flooded++
		return nil, nil
	case "unsubscribe":
		t.taken[name].Cancel()
		return nil, nil
	case "publish":
		size, err := strconv.Atoi(words[2])
		if err != nil {
			return nil, err
		}
		data := []byte(words[3])
		if len(data) < size {
			data = append(data, bytes.Repeat([]byte(" "), size-len(data))...)
		}
		return nil, topic.Publish(ctx, data)
	}
	return nil, fmt.Errorf("unknown request %q", words[0])
}

// countMessages takes messages of others, and reports when so many have come.
func countMessages(taken *pubsub.Subscription, own peer.ID, count int) {
	for left := count; left > 0; {
		message, err := taken.Next(context.Background())
		if err != nil {
			return
		}
		if message.ReceivedFrom != own {
			left--
		}
	}
	printLine(facts{"event": "taken", "count": count})
}

// reportMessages prints the messages of others.
func reportMessages(taken *pubsub.Subscription, own peer.ID) {
	for {
		message, err := taken.Next(context.Background())
		if err != nil {
			return
		}
		if message.ReceivedFrom == own {
			continue
		}
		line := facts{
			"event": "message",
			"topic": message.GetTopic(),
			"size":  len(message.Data),
			"text":  strings.TrimRight(string(message.Data), " "),
		}
		if source, err := peer.IDFromBytes(message.Message.GetFrom()); err == nil {
			line["source"] = source.String()
		}
		printLine(line)
	}
}

// reportPeers prints the peers that join a topic, and that leave it.
func reportPeers(events *pubsub.TopicEventHandler, name string) {
	kinds := map[pubsub.EventType]string{
		pubsub.PeerJoin: "subscribed", pubsub.PeerLeave: "unsubscribed",
	}
	for {
		event, err := events.NextPeerEvent(context.Background())
		if err != nil {
			return
		}
		printLine(facts{"event": kinds[event.Type], "peer": event.Peer.String(), "topic": name})
	}
}

// Graft notes a peer of a mesh.
func (t *topics) Graft(p peer.ID, topic string) {
	t.lock.Lock()
	defer t.lock.Unlock()
	if t.mesh[topic] == nil {
		t.mesh[topic] = map[peer.ID]bool{}
	}
	t.mesh[topic][p] = true
}

// Prune notes that a peer has left a mesh.
func (t *topics) Prune(p peer.ID, topic string) {
	t.lock.Lock()
	defer t.lock.Unlock()
	delete(t.mesh[topic], p)
}

// RecvRPC reports messages that another peer no longer wants.
func (t *topics) RecvRPC(rpc *pubsub.RPC) {
	if each := rpc.GetControl().GetIdontwant(); len(each) != 0 {
		printLine(facts{"event": "idontwant", "peer": rpc.From().String()})
	}
}

func (t *topics) OnNewOutboundStream(peer.ID, protocol.ID) {}
func (t *topics) OnClosedOutboundStream(peer.ID)           {}
func (t *topics) Join(string)                              {}
func (t *topics) Leave(string)                             {}
func (t *topics) ValidateMessage(*pubsub.Message)          {}
func (t *topics) DeliverMessage(*pubsub.Message)           {}
func (t *topics) RejectMessage(*pubsub.Message, string)    {}
func (t *topics) DuplicateMessage(*pubsub.Message)         {}
func (t *topics) ThrottlePeer(peer.ID)                     {}
func (t *topics) SendRPC(*pubsub.RPC, peer.ID)             {}
func (t *topics) DropRPC(*pubsub.RPC, peer.ID)             {}
func (t *topics) UndeliverableMessage(*pubsub.Message)     {}

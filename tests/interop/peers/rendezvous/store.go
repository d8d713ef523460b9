// Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

package main

import (
	"strconv"
	"sync"

	"github.com/libp2p/go-libp2p/core/peer"
	db "github.com/waku-org/go-libp2p-rendezvous/db"
)

// store has the registrations of a point in memory, in their order; a cookie is the
// number of those that were looked at. Those of go-libp2p-rendezvous need SQLite.
type store struct {
	lock    sync.Mutex
	records []db.RegistrationRecord
}

func (s *store) Close() error { return nil }

// remove ends a registration by leaving a gap, so that cookies stay valid.
func (s *store) remove(id peer.ID, ns string) {
	for index, each := range s.records {
		if each.Id == id && each.Ns == ns {
			s.records[index] = db.RegistrationRecord{}
		}
	}
}

// Register registers a peer, or renews its registration.
func (s *store) Register(id peer.ID, ns string, record []byte, ttl int) (uint64, error) {
	s.lock.Lock()
	defer s.lock.Unlock()
	s.remove(id, ns)
	added := db.RegistrationRecord{Id: id, SignedPeerRecord: record, Ns: ns, Ttl: ttl}
	s.records = append(s.records, added)
	return uint64(len(s.records)), nil
}

// Unregister ends a registration.
func (s *store) Unregister(id peer.ID, ns string) error {
	s.lock.Lock()
	defer s.lock.Unlock()
	s.remove(id, ns)
	return nil
}

// CountRegistrations counts those of a peer.
func (s *store) CountRegistrations(id peer.ID) (int, error) {
	s.lock.Lock()
	defer s.lock.Unlock()
	count := 0
	for _, each := range s.records {
		if each.Id == id {
			count++
		}
	}
	return count, nil
}

// ValidCookie says whether a cookie is one of Discover.
func (s *store) ValidCookie(ns string, cookie []byte) bool {
	s.lock.Lock()
	defer s.lock.Unlock()
	from, err := strconv.Atoi(string(cookie))
	return err == nil && from >= 0 && from <= len(s.records)
}

// Discover returns the registrations of a namespace after those of the cookie.
func (s *store) Discover(ns string, cookie []byte, limit int) ([]db.RegistrationRecord, []byte, error) {
	s.lock.Lock()
	defer s.lock.Unlock()
	next, _ := strconv.Atoi(string(cookie))
	var found []db.RegistrationRecord
	for ; next < len(s.records) && len(found) < limit; next++ {
		each := s.records[next]
		if each.Id != "" && (ns == "" || each.Ns == ns) {
			found = append(found, each)
		}
	}
	return found, []byte(strconv.Itoa(next)), nil
}

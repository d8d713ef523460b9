// Copyright (c) the twisted_libp2p authors.  See LICENSE for details.
"use strict";
// The map: the node in the middle, around it its peers, by their transports; a peer at a
// relay stands outside of it.

const MAPPED = 60, NAMED = 24;
const KINDS = ["tcp", "quic", "websocket", "webtransport", "webrtc", "relay", "other"];

function kindOf(connection) {
  const address = connection.address;
  if (address.includes("/p2p-circuit")) return "relay";
  if (address.includes("/webrtc")) return "webrtc";
  if (address.includes("/webtransport")) return "webtransport";
  if (address.includes("/quic")) return "quic";
  if (/\/(ws|wss)(\/|$)/.test(address)) return "websocket";
  return address.includes("/tcp/") ? "tcp" : "other";
}

// The best connection of each peer: a direct one if there is one.
function peersOf(connections) {
  const best = new Map();
  for (const each of connections) {
    const kind = kindOf(each);
    const known = best.get(each.peer);
    if (!known || (known.kind === "relay" && kind !== "relay")) {
      const relay = /\/p2p\/([^/]+)\/p2p-circuit/.exec(each.address);
      best.set(each.peer, {
        peer: each.peer, kind, streams: each.streams, address: each.address,
        relay: kind === "relay" && relay ? relay[1] : null,
      });
    }
  }
  const order = peer => KINDS.indexOf(peer.kind);
  return [...best.values()].sort((a, b) => order(a) - order(b) || (a.peer < b.peer ? -1 : 1));
}

function drawn(name, attributes, parent) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  return parent.appendChild(node);
}

// Each peer has a place: direct ones on a ring, those at a relay beyond their relay.
function places(peers, width, height) {
  const found = new Map();
  const at = (turn, size) => ({
    x: width / 2 + Math.cos(turn) * size * (width / 2 - 40),
    y: height / 2 + Math.sin(turn) * size * (height / 2 - 24), turn,
  });
  const ring = peers.filter(each => !peers.some(other => other.peer === each.relay));
  ring.forEach((each, index) => {
    const turn = 2 * Math.PI * (index + 0.5) / ring.length - Math.PI / 2;
    found.set(each.peer, at(turn, 0.66));
  });
  const beyond = peers.filter(each => !found.has(each.peer));
  const seen = new Map();
  for (const each of beyond) {
    const index = seen.get(each.relay) || 0;
    seen.set(each.relay, index + 1);
    const count = beyond.filter(other => other.relay === each.relay).length;
    const spread = Math.min(0.25, Math.PI / ring.length / count);
    const relay = found.get(each.relay);
    if (relay) found.set(each.peer, at(relay.turn + (index - (count - 1) / 2) * spread, 1));
  }
  return found;
}

function map(connections) {
  const all = peersOf(connections);
  const svg = document.getElementById("map");
  const peers = all.slice(0, MAPPED);
  const narrow = document.documentElement.clientWidth < 600;
  const height = peers.length > 8 || narrow ? 300 : 200;
  const width = narrow ? 380 : 900;
  // It is drawn again only if it has changed.
  const drawing = JSON.stringify([width, height, peers]);
  if (svg.dataset.drawing === drawing) return;
  svg.dataset.drawing = drawing;
  svg.replaceChildren();
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  const found = places(peers, width, height);
  const centre = {x: width / 2, y: height / 2};
  for (const each of peers) {
    const from = found.get(each.relay) || centre, to = found.get(each.peer);
    if (!to) continue;
    drawn("line", {x1: from.x, y1: from.y, x2: to.x, y2: to.y, class: each.kind,
      "stroke-width": Math.min(6, 1 + Math.log2(1 + each.streams))}, svg);
  }
  for (const each of peers) {
    const to = found.get(each.peer);
    if (!to) continue;
    const dot = drawn("circle", {cx: to.x, cy: to.y, r: 6, class: each.kind}, svg);
    drawn("title", {}, dot).textContent = `${each.peer} ${each.address}`;
    if (peers.length > NAMED) continue;
    const name = drawn("text", {x: to.x, y: to.y + (to.y < centre.y ? -11 : 19)}, svg);
    name.textContent = `…${each.peer.slice(-6)}`;
  }
  drawn("circle", {cx: centre.x, cy: centre.y, r: 9, class: "self"}, svg);
  const counts = KINDS.map(kind => [kind, all.filter(each => each.kind === kind).length]);
  const legend = document.getElementById("legend");
  legend.replaceChildren();
  for (const [kind, count] of counts) {
    if (!count) continue;
    const item = legend.appendChild(document.createElement("span"));
    item.className = kind;
    item.textContent = `${kind === "relay" ? "through a relay" : kind} ${count}`;
  }
  if (all.length > peers.length) {
    legend.append(`, of which ${peers.length} are drawn`);
  }
  svg.setAttribute("aria-label", `${all.length} peers: ${legend.textContent}`);
}

// Copyright (c) the twisted_libp2p authors.  See LICENSE for details.
"use strict";
// Whatever comes from the node is put into the page as text, never as markup:
// much of it was written by peers.

const KEPT = 200;
const at = id => document.getElementById(id);
const say = (node, text) => { if (node.textContent !== text) node.textContent = text; };
const make = (name, className) => {
  const node = document.createElement(name);
  if (className) node.className = className;
  return node;
};
const short = peer => peer.slice(-8);
const hue = peer => {
  let sum = 0;
  for (const letter of peer) sum = (sum * 31 + letter.charCodeAt(0)) % 65521;
  // By the golden angle, that peers look as different as they can.
  return `hsl(${Math.round(sum * 137.508) % 360} 65% 55%)`;
};
const span = seconds => {
  const s = Math.max(0, Math.floor(seconds));
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${s % 60} s`;
  if (s < 86400) return `${Math.floor(s / 3600)} h ${Math.floor(s % 3600 / 60)} min`;
  return `${Math.floor(s / 86400)} d ${Math.floor(s % 86400 / 3600)} h`;
};

const trip = seconds => {
  const ms = seconds * 1000;
  return ms < 10 ? `${ms.toFixed(1)} ms` : `${ms.toFixed(0)} ms`;
};

const size = bytes => {
  if (bytes < 1000) return `${Math.round(bytes)} B`;
  let unit = -1;
  do { bytes /= 1000; unit += 1; } while (bytes >= 999.5 && unit < 4);
  return `${bytes < 9.95 ? bytes.toFixed(1) : bytes.toFixed(0)} ${"kMGTP"[unit]}B`;
};
// A number of bytes, and below it how many come in a second, if any do.
function bytesInto(cell, bytes, rate) {
  const texts = [size(bytes), rate >= 0.5 ? `${size(rate)}/s` : ""];
  if (!cell.firstChild) cell.append(make("span"), make("small", "rate"));
  texts.forEach((text, place) => say(cell.children[place], text));
}

function peerInto(cell, peer) {
  if (cell.title === peer) return;
  cell.title = peer;
  const dot = make("span", "dot");
  dot.style.background = hue(peer);
  cell.replaceChildren(dot, `…${short(peer)}`, copier(() => peer));
}

// The ids of relays are longer than all the rest.
function addressInto(cell, address) {
  cell.title = address;
  return address.replace(/(\/p2p\/)\w+(?=\/)/g, (whole, name) => name + "…" + short(whole));
}

// A button that copies a text.  A browser lets a page of another host copy only over
// HTTPS: otherwise the text is shown, to be copied by hand.
function copier(text) {
  const button = make("button", "copy");
  button.type = "button";
  button.title = "copy";
  button.setAttribute("aria-label", "copy");
  button.addEventListener("click", async () => {
    if (!navigator.clipboard) { prompt("", text()); return; }
    await navigator.clipboard.writeText(text());
    button.classList.add("copied");
    setTimeout(() => button.classList.remove("copied"), 1000);
  });
  return button;
}

// Hides the lines without the text that the reader wants.
function sift() {
  const wanted = at("filter").value.trim().toLowerCase();
  const lines = document.querySelectorAll("#connections tbody tr, #events li");
  for (const line of lines) {
    const ids = [...line.querySelectorAll("[title]:not(.copy)")].map(each => each.title);
    const text = [line.textContent, ...ids].join(" ").toLowerCase();
    line.hidden = !text.includes(wanted);
  }
}

function list(id, texts, copied) {
  const items = at(id);
  while (items.children.length > texts.length) items.lastChild.remove();
  texts.forEach((text, index) => {
    let item = items.children[index];
    if (!item) {
      item = items.appendChild(make("li"));
      const shown = item.appendChild(make("span"));
      if (copied) item.append(copier(() => shown.textContent));
    }
    say(item.firstChild, text);
  });
}

// Rows are used again, so that what the reader has selected stays selected.
function fill(table, rows, columns) {
  const body = table.tBodies[0];
  while (body.rows.length > rows.length) body.deleteRow(-1);
  rows.forEach((row, index) => {
    const line = body.rows[index] || body.insertRow();
    columns.forEach(([label, className, show], place) => {
      let cell = line.cells[place];
      if (!cell) {
        cell = line.insertCell();
        cell.className = className;
        cell.dataset.label = label;
      }
      const text = show(row, cell);
      if (text !== undefined) say(cell, text);
    });
  });
  table.classList.toggle("hidden", !rows.length);
}

const CONNECTION = [
  ["Peer", "code", (c, cell) => peerInto(cell, c.peer)],
  ["Agent", "", c => (c.process ? `[${c.process}] ` : "") + (c.agent || "–")],
  ["Address", "code", (c, cell) => addressInto(cell, c.address || c.transport)],
  ["Opened by", "", c => c.direction === "inbound" ? "peer" : "us"],
  ["Security", "code", c => c.security],
  ["Muxer", "code", c => c.muxer + (c.early ? " (early)" : "")],
  ["Round trip", "number", c => c.roundTrip ? trip(c.roundTrip) : "–"],
  ["Received", "number", (c, cell) => bytesInto(cell, c.received, c.receiving)],
  ["Sent", "number", (c, cell) => bytesInto(cell, c.sent, c.sending)],
  ["Streams", "number", c => String(c.streams)],
  ["Worth", "number", c => c.protected ? "protected" : c.value ? String(c.value) : "–"],
  ["Age", "number", c => span(c.age)],
];
const BUSY = [
  ["Peer", "code", (p, cell) => peerInto(cell, p.peer)],
  ["Received", "number", (p, cell) => bytesInto(cell, p.received, p.receiving)],
  ["Sent", "number", (p, cell) => bytesInto(cell, p.sent, p.sending)],
];
const REDIAL = [
  ["Peer", "code", (r, cell) => peerInto(cell, r.peer)],
  ["Next dial in", "number", r => span(r.seconds)],
];
const DIAL = [
  ["Transport", "", d => d.transport],
  ["Network", "", d => d.network === "unknown" ? "–" : d.network],
  ["Cause", "", d => d.cause],
  ["Times", "number", d => String(d.count)],
];
const number = count => count === null ? "–" : String(count);
const PROCESS = [
  ["Process", "number", p => String(p.number)],
  ["Process id", "number", p => String(p.pid)],
  ["State", "", p => p.state],
  ["Connections", "number", p => number(p.connections)],
  ["Streams", "number", p => number(p.streams)],
  ["Age", "number", p => span(p.age)],
];
const PROTOCOL = [
  ["Protocol", "code", p => p.protocol],
  ["In", "number", p => String(p.inbound)],
  ["Out", "number", p => String(p.outbound)],
];

function chart(name, history) {
  const latest = history.slice(-10);
  const rate = latest.reduce((a, b) => a + b, 0) / latest.length;
  say(at(`${name}Rate`), rate >= 100 ? rate.toFixed(0) : rate.toFixed(1));
  bars(name, history);
}

// The bytes in a second, since the page was opened: the node keeps no such history.
const volumes = {received: [], sent: []};
function volume(name, bytes, rate) {
  const history = volumes[name];
  if (rate !== null) history.push(rate);
  if (history.length > 60) history.shift();
  say(at(`${name}Rate`), rate === null ? "–" : size(rate));
  say(at(`${name}Hint`), `${size(bytes)} so far`);
  bars(name, [...Array(60 - history.length).fill(0), ...history]);
}

function bars(name, history) {
  const top = Math.max(1, ...history);
  const svg = at(name);
  history.forEach((value, second) => {
    let bar = svg.children[second];
    if (!bar) {
      bar = svg.appendChild(document.createElementNS("http://www.w3.org/2000/svg", "rect"));
      bar.setAttribute("x", second + 0.1);
      bar.setAttribute("width", 0.8);
    }
    const height = value ? Math.max(1, 16 * value / top) : 0.4;
    bar.setAttribute("y", 16 - height);
    bar.setAttribute("height", height);
  });
}

function more(id, list) {
  const hidden = list.count - list.shown.length;
  say(at(id), hidden > 0 ? `and ${hidden} more` : "");
}

function state(now) {
  document.title = `${short(now.peer)} · ${now.peers} peers`;
  say(at("peer"), now.peer);
  if (!at("peer").nextElementSibling) at("peer").after(copier(() => now.peer));
  at("self").style.background = hue(now.peer);
  say(at("agent"), now.agent);
  const backends = Object.entries(now.backends);
  say(at("backends"), backends.map(([name, library]) => ` · ${name} by ${library}`).join(""));
  say(at("uptime"), span(now.uptime));
  list("addresses", now.addresses, true);
  list("served", now.served, false);
  say(at("peers"), String(now.peers));
  say(at("openedHint"), `opened so far: ${now.totals.opened}`);
  const both = list => `${list.inbound} in · ${list.count - list.inbound} out`;
  say(at("connectionHint"), both(now.connections));
  say(at("streamHint"), both(now.streams));
  say(at("connectionCount"), String(now.connections.count));
  say(at("connectionLimit"), now.connections.limit ? `of ${now.connections.limit}` : "");
  say(at("streamCount"), String(now.streams.count));
  say(at("streamLimit"), now.streams.limit ? `of ${now.streams.limit}` : "");
  for (const name of ["opened", "closed", "streams"]) chart(name, now.rates[name]);
  volume("received", now.traffic.received, now.traffic.receiving);
  volume("sent", now.traffic.sent, now.traffic.sending);
  const processes = now.processes || [];
  fill(at("processes"), processes, PROCESS);
  at("processSection").hidden = !processes.length;
  fill(at("connections"), now.connections.shown, CONNECTION);
  more("connectionMore", now.connections);
  fill(at("busy"), now.traffic.peers, BUSY);
  // Otherwise the table of connections says the same.
  at("busySection").hidden = now.connections.count <= now.peers
    && now.connections.count <= now.connections.shown.length;
  at("mapSection").hidden = !now.connections.count;
  map(now.connections.shown);
  sift();
  fill(at("redials"), now.redials, REDIAL);
  at("redialSection").hidden = !now.redials.length;
  fill(at("dials"), now.dials, DIAL);
  at("dialSection").hidden = !now.dials.length;
  list("blocked", now.blocked.shown, true);
  more("blockedMore", now.blocked);
  at("blockedSection").hidden = !now.blocked.count;
  at("noConnections").classList.toggle("hidden", now.connections.count > 0);
  fill(at("protocols"), now.protocols.shown, PROTOCOL);
  more("protocolMore", now.protocols);
  for (const name of ["reachability", "tunnels", "pubsub", "limits"]) {
    at(`${name}Section`).hidden = !now[name].length;
    say(at(name), now[name].join("\n"));
  }
  at("noProtocols").classList.toggle("hidden", now.protocols.count > 0);
}

const MOOD = {connected: "good", listening: "good", lost: "bad", refused: "bad", trimmed: "bad"};

function happened(events) {
  const shown = at("events");
  for (const event of events) {
    const line = make("li", event.stream ? "stream" : "");
    const when = make("time");
    when.textContent = new Date(event.time * 1000).toLocaleTimeString([], {hour12: false});
    const what = make("span", MOOD[event.kind] || "");
    what.textContent = event.kind;
    const who = make("span", "code");
    if (event.peer) peerInto(who, event.peer);
    const detail = make("span");
    detail.textContent = event.detail;
    line.append(when, what, who, detail);
    shown.prepend(line);
  }
  while (shown.children.length > KEPT) shown.lastChild.remove();
  at("noEvents").classList.toggle("hidden", shown.children.length > 0);
  sift();
}

let quiet;
function live(on) {
  clearTimeout(quiet);
  at("live").classList.toggle("on", on);
  say(at("live"), on ? "live" : "no answer from the node");
  if (on) quiet = setTimeout(live, 5000, false);
}

function follow() {
  const feed = new EventSource("events");
  feed.addEventListener("open", () => { at("events").replaceChildren(); });
  feed.addEventListener("state", message => { live(true); state(JSON.parse(message.data)); });
  feed.addEventListener("happened", message => happened(JSON.parse(message.data)));
  feed.addEventListener("error", () => {
    live(false);
    // It comes back by itself, unless it was turned away.
    if (feed.readyState === EventSource.CLOSED) setTimeout(follow, 5000);
  });
}

at("showStreams").addEventListener("change", event =>
  at("events").classList.toggle("all", event.target.checked));
at("filter").addEventListener("input", sift);
follow();

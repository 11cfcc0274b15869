"use strict";
(() => {
const setup = JSON.parse(document.getElementById("setup").textContent);
const get = id => document.getElementById(id);

// Firefox repeats a question for some eleven seconds before it gives a server up, Chromium for forty.
const GATHER_MS = 45000, PATIENT_MS = 5000, CONNECT_MS = 10000, APART_MS = 200, MOST_PAIRS = 50;

const engine = /Firefox\//.test(navigator.userAgent) ? "firefox"
  : /Chrom(e|ium)\//.test(navigator.userAgent) ? "chromium"
  : /AppleWebKit\//.test(navigator.userAgent) ? "webkit" : "unknown";
const facts = {
  time_zone: Intl.DateTimeFormat().resolvedOptions().timeZone ?? null,
  languages: [...(navigator.languages ?? [])],
  user_agent: navigator.userAgent,
};

let reading = null;
let peers = [];
let stopped = false;
let halt = () => {};
let interrupted = null;

// ---- what an address is ----

function addressKind(address) {
  if (!address) return {scope: "none"};
  if (/\.local$/i.test(address)) return {scope: "name"};
  if (/^\d+(\.\d+){3}$/.test(address)) {
    const [a, b] = address.split(".").map(Number);
    const scope = a === 127 ? "loop" : a === 0 ? "none"
      : a === 10 || (a === 172 && b >= 16 && b < 32) || (a === 192 && b === 168) ? "private"
      : a === 100 && b >= 64 && b < 128 ? "shared"
      : a === 169 && b === 254 ? "link" : "public";
    return {scope, version: 4};
  }
  if (address.includes(":")) {
    const first = parseInt(address, 16);
    const scope = /^[0:]+1$/.test(address) ? "loop" : /^[0:.]+$/.test(address) ? "none"
      : (first & 0xfe00) === 0xfc00 ? "private" : (first & 0xffc0) === 0xfe80 ? "link" : "public";
    return {scope, version: 6};
  }
  return {scope: "name"};
}

const isLocal = scope => ["private", "shared", "link", "loop"].includes(scope);

// A candidate line's own parts (RFC 8839): some browsers leave the object's fields empty.
function readLine(candidate) {
  const words = candidate.candidate.replace(/^(a=)?candidate:/, "").split(" ");
  const after = name => { const at = words.indexOf(name, 8); return at < 0 ? null : words[at + 1]; };
  const number = text => /^\d+$/.test(text ?? "") ? Number(text) : null;
  return {
    candidate: candidate.candidate,
    type: words[7] ?? candidate.type ?? null,
    protocol: (words[2] ?? candidate.protocol ?? "").toLowerCase() || null,
    address: words[4] ?? candidate.address ?? null,
    port: number(words[5]),
    priority: number(words[3]),
    foundation: words[0] || null,
    related_address: after("raddr"),
    related_port: number(after("rport")),
    tcp_type: after("tcptype"),
    username_fragment: candidate.usernameFragment ?? after("ufrag"),
    server: candidate.url || null,
    relay_protocol: candidate.relayProtocol || null,
  };
}

// ---- words ----

const LOCAL_WORDS = {
  private: ["private address", "the address of this computer in its own network or VPN. With it a page tells computers behind one router apart."],
  shared: ["carrier's address", "an address that a provider's NAT or a VPN gives out: it says which of them this computer uses."],
  link: ["link-local address", "an address that is only good on the same cable or Wi-Fi."],
  loop: ["loopback address", "this computer by itself: it tells nothing."],
};

// As it was given: browsers leave out an IPv6 address's brackets.
function serverName(url) {
  const plain = text => text.replace(/[[\]]/g, "");
  const given = setup.servers.find(one => url && plain(one.urls) === plain(url));
  return given ? ` ${given.urls}` : url ? ` ${url}` : "";
}

function describe(one) {
  const {scope, version} = addressKind(one.address);
  const base = addressKind(one.related_address);
  // Firefox gives a relay its own address as the one behind it.
  const known = one.related_address !== one.address && (base.scope === "public" || isLocal(base.scope));
  const behind = known ? ` The page reads ${one.related_address} with it, the address behind.` : "";
  const more = one.protocol === "tcp" && one.tcp_type === "active"
    ? " This one is for TCP and only calls out: it sends nothing until a peer listens." : "";
  if (one.type === "host" && scope === "name")
    return {colour: "green", label: "host, hidden", says: "The page reads a random name in place of a local address. The name is announced in the local network, where others can look it up; the page cannot.", more};
  if (one.type === "host" && scope === "public")
    return {colour: "red", label: `host, public IPv${version}`, says: "In clear: an address of this very computer that the whole internet can name.", more};
  if (one.type === "host" && isLocal(scope))
    return {colour: "red", label: `host, ${LOCAL_WORDS[scope][0]}`, says: `In clear: ${LOCAL_WORDS[scope][1]}`, more};
  if (one.type === "host")
    return {colour: "green", label: "host, hidden", says: "The browser keeps the address to itself.", more};
  if (one.type === "srflx")
    return {colour: "amber", label: "told by a server", says: `The server${serverName(one.server)} saw this address ask. Behind a VPN or proxy it must be theirs: if it is your own, WebRTC went past them.${behind}`, more};
  if (one.type === "prflx")
    return {colour: "amber", label: "told by a peer", says: `A peer saw this address.${behind}`, more};
  if (one.type === "relay")
    return {colour: "blue", label: "relay", says: `An address of the TURN server: peers see it in place of yours. The server itself sees who asks it.${behind}`, more};
  return {colour: "blue", label: String(one.type), says: "A kind of candidate that this page does not know.", more};
}

const MODES = {
  1: "1 · everything", 2: "2 · default interface", 3: "3 · public address only", 4: "4 · proxy only",
};

// The mode of RFC 8828 section 5.2 by what was read alone. Packets can say otherwise.
function guessMode() {
  const all = reading.connections.flatMap(one => one.candidates);
  if (!reading.webrtc) return [null, null, "This browser has no WebRTC."];
  if (!reading.connections.length) return [null, null, "No connection could be made."];
  if (reading.options.relay_only) return [null, null, "Relays alone were asked for: what the browser shows else is not known."];
  const hosts = all.filter(one => one.type === "host" && one.protocol === "udp");
  const raw = [...new Set(hosts.map(one => one.address))].filter(one => !["name", "none"].includes(addressKind(one).scope));
  const several = [4, 6].some(version => raw.filter(one => {
    const kind = addressKind(one);
    return kind.version === version && (version === 4 || kind.scope === "public");
  }).length > 1);
  if (raw.length && reading.microphone === "granted") return [1, "likely", "With the permission, local addresses are read in clear."];
  if (several) return [1, "likely", "Several local addresses are read in clear."];
  if (raw.length) return [2, "perhaps", "A local address is read in clear, without a permission."];
  if (hosts.length) return [2, "likely", "Local addresses are hidden behind names."];
  if (all.some(one => one.type === "srflx")) return [3, engine === "chromium" ? "likely" : "perhaps", "A server's answer is read, and no local candidate."];
  if (all.some(one => one.type === "relay" && one.relay_protocol !== "udp")) return [4, "likely", "A relay is read, and nothing by UDP."];
  if (all.some(one => one.type === "relay")) return [3, "perhaps", "A relay is read, and no candidate of this computer."];
  if (!reading.connections.every(one => one.complete)) return [null, null, "Nothing was read before the end."];
  return [4, "perhaps", "Nothing was read: WebRTC may use the proxy alone, or is blocked."];
}

// ---- showing ----

function make(tag, classes, ...children) {
  const element = document.createElement(tag);
  if (classes) element.className = classes;
  element.append(...children);
  return element;
}

function say(text, classes = "") {
  get("status").className = `status ${classes}`;
  get("status").textContent = text;
}

function tile(name, values, colour, why) {
  const element = get(`tile-${name}`);
  element.className = `tile ${colour}`;
  const value = element.querySelector(".value");
  value.textContent = values.join("\n");
  value.classList.toggle("many", values.some(one => one.length > 13));
  if (why) element.querySelector(".why").textContent = why;
}

function summarize(final) {
  const all = reading.connections.flatMap(one => one.candidates);
  const read = [...all.map(one => one.type === "relay" ? null : one.address), ...all.map(one => one.related_address === one.address ? null : one.related_address)];
  const of = wanted => [...new Set(read.filter(one => one && wanted(addressKind(one).scope)))];
  const open = of(scope => scope === "public"), near = of(isLocal), hidden = of(scope => scope === "name");
  const own = all.some(one => one.type === "host" && addressKind(one.address).scope === "public");
  tile("public", open.length ? open : [final ? "none" : "–"], own ? "red" : open.length ? "amber" : final ? "green" : "");
  tile("local", near.length ? near : [final ? "none" : "–"], near.length ? "red" : final ? "green" : "");
  tile("hidden", [hidden.length ? `${hidden.length} name${hidden.length > 1 ? "s" : ""}` : final ? "none" : "–"], hidden.length ? "green" : "");
  get("number").textContent = all.length ? `(${all.length})` : "";
  if (!final) return;
  const [number, sure, why] = guessMode();
  reading.mode = {number, sure, why};
  tile("mode", [number ? MODES[number] : "not known"], number === 1 ? "red" : number === 2 ? "amber" : number ? "green" : "", sure ? `${why} (${sure})` : why);
}

// What was said of an address once is not said again for each connection and protocol, nor of the
// names that another connection has of its own.
function isSaid(connection, one, whole) {
  const isName = each => addressKind(each.address).scope === "name";
  return reading.connections.some(each => each.candidates.some(other => other !== one
    && other.type === one.type
    && (other.address === one.address || (each !== connection && isName(one) && isName(other)))
    && (other.protocol === one.protocol || (one.protocol === "tcp" && !whole))));
}

function show(connection, one) {
  const {colour, label, says, more} = describe(one);
  const words = isSaid(connection, one, true) ? "" : isSaid(connection, one, false) ? more.trim() : says + more;
  get("none").hidden = true;
  const shown = one.address && one.address.includes(":") ? `[${one.address}]` : one.address || "(no address)";
  const port = one.protocol === "tcp" && one.port === 9 ? "" : `:${one.port}`;
  get("candidates").append(make("li", words ? colour : `${colour} again`,
    make("p", "top", make("span", `badge ${colour}`, label), make("code", "", shown + port),
      make("span", "when", `${(one.protocol ?? "").toUpperCase()} · ${connection.name} · ${one.ms} ms`)),
    ...(words ? [make("p", "says", words)] : []),
    make("details", "", make("summary", "", "Line"), make("code", "", one.candidate))));
  const total = reading.connections.reduce((sum, each) => sum + each.candidates.length, 0);
  say(`Candidate ${total}: ${label}, ${shown}`, "busy");
  summarize(false);
}

function complain(text) {
  get("trouble").hidden = false;
  const shown = [...get("errors").children].some(item => item.textContent === text);
  if (!shown) get("errors").append(make("li", "", text));
}

function showNumbers() {
  get("rows").replaceChildren(...reading.connections.map(one => {
    const used = one.statistics.pairs.find(pair => pair.nominated && pair.state === "succeeded") ?? {};
    const cells = [
      one.name, one.gathered_ms === null ? "not to the end" : `${one.gathered_ms} ms`,
      one.candidates.length, one.state, one.statistics.pairs.length,
      used.round_trip_ms == null ? "–" : `${used.round_trip_ms} ms`,
      used.bytes_sent == null ? "–" : `${used.bytes_sent} B / ${used.bytes_received} B`,
    ];
    return make("tr", "", ...cells.map(text => make("td", "", String(text))));
  }));
  get("numbers").hidden = !reading.connections.length;
}

// ---- the test ----

function pause(ms) {
  return Promise.race([new Promise(resolve => setTimeout(resolve, ms)), interrupted]);
}

// True once `check` holds; false where the time is over, or the person has stopped the test.
async function until(target, event, check, ms) {
  let listener = null;
  const reached = new Promise(resolve => {
    listener = () => { if (check()) resolve(); };
    target.addEventListener(event, listener);
    listener();
  });
  await Promise.race([reached, pause(ms)]);
  target.removeEventListener(event, listener);
  return check();
}

function connect(name, role) {
  const peer = new RTCPeerConnection({
    iceServers: setup.servers,
    iceTransportPolicy: reading.options.relay_only ? "relay" : "all",
  });
  const entry = {
    name, role, complete: false, gathered_ms: null, state: "new", candidates: [], errors: [],
    statistics: {pairs: []},
  };
  const began = performance.now();
  const since = () => Math.round(performance.now() - began);
  const held = [];
  peer.addEventListener("icecandidate", ({candidate}) => {
    if (!candidate || !candidate.candidate) return;
    held.push(candidate);
    const one = {...readLine(candidate), ms: since()};
    entry.candidates.push(one);
    show(entry, one);
  });
  peer.addEventListener("icecandidateerror", event => {
    entry.errors.push({server: event.url || null, code: event.errorCode ?? null, text: event.errorText || ""});
    complain(`${event.url || "A server"}: ${event.errorText || "no answer"} (${event.errorCode})`);
  });
  reading.connections.push(entry);
  peers.push(peer);
  const gathered = async () => {
    const complete = () => peer.iceGatheringState === "complete";
    const reached = ms => until(peer, "icegatheringstatechange", complete, ms);
    if (!await reached(PATIENT_MS) && !stopped) {
      const read = entry.candidates.length;
      say(`${name}: ${read} candidate${read === 1 ? "" : "s"} so far. A server has not answered; browsers wait up to 40 seconds for it. Stop ends the test with what was read.`, "busy");
    }
    entry.complete = await reached(GATHER_MS - PATIENT_MS);
    if (entry.complete) entry.gathered_ms = since();
    else if (!stopped) complain(`${name}: after ${GATHER_MS / 1000} seconds the browser still waits for a server.`);
  };
  return {peer, entry, held, gathered};
}

async function statistics({peer, entry}) {
  entry.state = peer.connectionState ?? peer.iceConnectionState;
  for (const row of (await peer.getStats()).values()) {
    if (row.type !== "candidate-pair" || entry.statistics.pairs.length >= MOST_PAIRS) continue;
    entry.statistics.pairs.push({
      state: row.state, nominated: Boolean(row.nominated),
      bytes_sent: row.bytesSent ?? null, bytes_received: row.bytesReceived ?? null,
      requests_sent: row.requestsSent ?? null, responses_received: row.responsesReceived ?? null,
      round_trip_ms: row.currentRoundTripTime == null ? null : Math.round(row.currentRoundTripTime * 1e5) / 100,
    });
  }
}

async function gather(name) {
  const side = connect(name, "gather");
  side.peer.createDataChannel("pcapleak");
  await side.peer.setLocalDescription(await side.peer.createOffer());
  await side.gathered();
  await statistics(side);
}

// Both sides gather to their ends before they hear of each other: a connection that is made
// earlier ends the gathering, and the page would not read all that packets show.
async function callWithin() {
  const a = connect("call A", "call"), b = connect("call B", "call");
  const channel = a.peer.createDataChannel("pcapleak");
  b.peer.addEventListener("datachannel", ({channel: other}) => {
    other.addEventListener("message", () => other.send("answer"));
  });
  channel.addEventListener("open", () => channel.send("hello"));
  await a.peer.setLocalDescription(await a.peer.createOffer());
  await a.gathered();
  await b.peer.setRemoteDescription(bare(a.peer.localDescription));
  await b.peer.setLocalDescription(await b.peer.createAnswer());
  await b.gathered();
  await a.peer.setRemoteDescription(bare(b.peer.localDescription));
  for (const candidate of a.held) await b.peer.addIceCandidate(candidate);
  for (const candidate of b.held) await a.peer.addIceCandidate(candidate);
  say("The two connections of this page look for a way to each other.", "busy");
  const done = new Promise(resolve => channel.addEventListener("message", resolve));
  await Promise.race([done, pause(CONNECT_MS)]);
  await statistics(a);
  await statistics(b);
}

function bare({type, sdp}) {
  const kept = sdp.split("\r\n").filter(line => !/^a=(candidate|end-of-candidates)/.test(line));
  return {type, sdp: kept.join("\r\n")};
}

// Chromium shows the same with a permission that was given before. Others forget it, or do not tell.
async function isPermitted() {
  try {
    const asked = ["microphone", "camera"].map(name => navigator.permissions.query({name}));
    return engine === "chromium" && (await Promise.all(asked)).some(one => one.state === "granted");
  } catch {
    return false;
  }
}

async function askMicrophone() {
  if (!navigator.mediaDevices) return [null, "unavailable"];
  say("The browser asks for the microphone.", "busy");
  try {
    return [await navigator.mediaDevices.getUserMedia({audio: true}), "granted"];
  } catch (error) {
    return [null, String(error.name)];
  }
}

async function run() {
  const options = {
    microphone: get("microphone").checked, relay_only: get("relay").checked,
    connections: Number(get("count").value), local_call: get("call").checked,
  };
  interrupted = new Promise(resolve => { halt = resolve; });
  stopped = false;
  reading = {
    [setup.mark]: setup.version, began_at: new Date().toISOString(), ended_at: null, stopped: false,
    ...facts, engine, webrtc: typeof RTCPeerConnection === "function",
    servers: setup.servers.map(one => one.urls), public_servers: setup.public, options,
    microphone: "off", mode: null, connections: [],
  };
  get("candidates").replaceChildren();
  get("errors").replaceChildren();
  get("none").hidden = false;
  for (const id of ["trouble", "numbers", "reading"]) get(id).hidden = true;
  summarize(false);
  let stream = null;
  if (options.microphone) [stream, reading.microphone] = await askMicrophone();
  else if (await isPermitted()) reading.microphone = "granted";
  get("sent").textContent = "These servers were asked:";
  say("Gathering candidates.", "busy");
  get("status").scrollIntoView({block: "nearest"});
  const attempt = async work => {
    try { await work(); } catch (error) { if (!stopped) complain(`WebRTC refused: ${error.message}`); }
  };
  if (reading.webrtc) {
    const running = [];
    for (let number = 1; number <= options.connections && !stopped; number++) {
      if (number > 1) await pause(APART_MS);
      running.push(attempt(() => gather(`connection ${number}`)));
    }
    await Promise.all(running);
    if (options.local_call && !stopped) await attempt(callWithin);
  }
  for (const peer of peers) peer.close();
  peers = [];
  for (const track of stream?.getTracks() ?? []) track.stop();
  reading.stopped = stopped;
  reading.ended_at = new Date().toISOString();
}

function finish() {
  summarize(true);
  showNumbers();
  get("text").value = JSON.stringify(reading, null, 1);
  get("reading").hidden = false;
  const total = reading.connections.reduce((sum, one) => sum + one.candidates.length, 0);
  const count = `${total} candidate${total === 1 ? "" : "s"}`;
  if (!reading.webrtc) say("This browser has no WebRTC, or something took it away.", "bad");
  else if (stopped) say(`Stopped after ${count}.`, "done");
  else if (!total) say("Done: no candidate was read.", "done");
  else say(`Done: ${count}. Save the reading below.`, "done");
}

async function copyText() {
  get("text").select();
  try {
    await navigator.clipboard.writeText(get("text").value);
    say("Copied.", "done");
  } catch {
    const copied = document.execCommand("copy");
    say(copied ? "Copied." : "The text is selected: copy it with the keyboard.", "done");
  }
}

function save() {
  const url = URL.createObjectURL(new Blob([get("text").value], {type: "application/json"}));
  const link = make("a");
  link.href = url;
  link.download = setup.file;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 60000);
  say(`Saved as ${setup.file}, where this browser keeps its downloads.`, "done");
}

get("form").addEventListener("submit", async event => {
  event.preventDefault();
  get("start").disabled = get("options").disabled = true;
  get("stop").hidden = false;
  // A button that cannot be pressed any more loses the keyboard's focus: hand it on.
  get("stop").focus({preventScroll: true});
  try {
    await run();
    finish();
  } finally {
    const next = get("reading").hidden ? "start" : "save";
    get("start").textContent = "Run again";
    get("start").disabled = get("options").disabled = false;
    if (document.activeElement === get("stop")) get(next).focus({preventScroll: true});
    get("stop").hidden = true;
  }
});
get("stop").addEventListener("click", () => { stopped = true; halt(); });
get("save").addEventListener("click", save);
get("copy").addEventListener("click", copyText);
get("print").addEventListener("click", () => window.print());

get("zone").textContent = facts.time_zone ?? "not told";
get("languages").textContent = facts.languages.join(", ") || "not told";
get("agent").textContent = facts.user_agent;
})();

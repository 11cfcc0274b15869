// libdatachannel offers a data channel, as aiortc_client.py does.
const fs = require("fs");
const library = require("node-datachannel");
const [folder, server, call] = process.argv.slice(2);

const connection = new library.PeerConnection("lab", {iceServers: [server]});
const candidates = [];
connection.onLocalCandidate(line => candidates.push(line));
connection.onGatheringStateChange(state => {
  if (state !== "complete") return;
  const program = `libdatachannel ${library.getLibraryVersion()}`;
  const said = {program, sdp: connection.localDescription().sdp, candidates};
  fs.writeFileSync(`${folder}/.offer`, JSON.stringify(said));
  fs.renameSync(`${folder}/.offer`, `${folder}/offer`);
});
const channel = connection.createDataChannel("lab");
channel.onOpen(() => { channel.sendMessage("hello"); console.log("connected"); });

const waiting = setInterval(() => {
  if (!call || !fs.existsSync(`${folder}/answer`)) return;
  clearInterval(waiting);
  connection.setRemoteDescription(fs.readFileSync(`${folder}/answer`, "utf8"), "answer");
}, 50);
setInterval(() => {}, 1000);

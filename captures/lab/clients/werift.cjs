// werift offers a data channel, as aiortc_client.py does.
const fs = require("fs");
const {RTCPeerConnection} = require("werift");
const [folder, server, call] = process.argv.slice(2);

async function main() {
  const connection = new RTCPeerConnection({iceServers: [{urls: server}]});
  const candidates = [];
  connection.onIceCandidate.subscribe(one => one && candidates.push(one.candidate));
  const channel = connection.createDataChannel("lab");
  channel.stateChanged.subscribe(state => {
    if (state === "open") { channel.send(Buffer.from("hello")); console.log("connected"); }
  });
  const offer = await connection.createOffer();
  await connection.setLocalDescription(offer);
  while (connection.iceGatheringState !== "complete") await new Promise(go => setTimeout(go, 20));
  const packed = require.resolve("werift").replace(/(node_modules.werift).*/, "$1/package.json");
  const {version} = JSON.parse(fs.readFileSync(packed));
  const said = {program: `werift ${version}`, sdp: connection.localDescription.sdp, candidates};
  fs.writeFileSync(`${folder}/.offer`, JSON.stringify(said));
  fs.renameSync(`${folder}/.offer`, `${folder}/offer`);
  while (call && !fs.existsSync(`${folder}/answer`)) await new Promise(go => setTimeout(go, 50));
  if (call) {
    const sdp = fs.readFileSync(`${folder}/answer`, "utf8");
    await connection.setRemoteDescription({type: "answer", sdp});
  }
  setInterval(() => {}, 1000);
}

main();

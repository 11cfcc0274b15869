// pion offers a data channel, as aiortc_client.py does.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/pion/webrtc/v3"
)

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func main() {
	folder, server, call := os.Args[1], os.Args[2], len(os.Args) > 3
	connection, err := webrtc.NewPeerConnection(webrtc.Configuration{
		ICEServers: []webrtc.ICEServer{{URLs: []string{server}}},
	})
	must(err)
	var candidates []string
	connection.OnICECandidate(func(one *webrtc.ICECandidate) {
		if one != nil {
			candidates = append(candidates, one.ToJSON().Candidate)
		}
	})
	channel, err := connection.CreateDataChannel("lab", nil)
	must(err)
	channel.OnOpen(func() {
		must(channel.SendText("hello"))
		fmt.Println("connected")
	})
	offer, err := connection.CreateOffer(nil)
	must(err)
	gathered := webrtc.GatheringCompletePromise(connection)
	must(connection.SetLocalDescription(offer))
	<-gathered
	said, err := json.Marshal(map[string]any{
		"program": "pion " + os.Getenv("PION_VERSION"),
		"sdp":     connection.LocalDescription().SDP, "candidates": candidates,
	})
	must(err)
	must(os.WriteFile(filepath.Join(folder, ".offer"), said, 0o600))
	must(os.Rename(filepath.Join(folder, ".offer"), filepath.Join(folder, "offer")))
	for call {
		answer, err := os.ReadFile(filepath.Join(folder, "answer"))
		if err == nil {
			must(connection.SetRemoteDescription(webrtc.SessionDescription{
				Type: webrtc.SDPTypeAnswer, SDP: string(answer),
			}))
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	select {}
}

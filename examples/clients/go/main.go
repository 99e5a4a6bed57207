// A service whose endpoints Keyward guards: KEYWARD_ADDRESS=127.0.0.1:50051 PORT=8000 go run .
package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"

	keywardv1 "example.com/service/gen/keyward/v1"
	"example.com/service/guard"
)

func main() {
	connection, err := guard.Dial(cmp.Or(os.Getenv("KEYWARD_ADDRESS"), "127.0.0.1:50051"))
	if err != nil {
		log.Fatal(err)
	}
	keyward := &guard.Guard{
		Keyward:   keywardv1.NewKeyServiceClient(connection),
		CallerKey: os.Getenv("KEYWARD_ADMIN_KEY"),
		FailOpen:  os.Getenv("FAIL_OPEN") == "yes",
	}
	routes := http.NewServeMux()
	routes.Handle("GET /v1/templates", keyward.HTTP(http.HandlerFunc(hello), "templates:read"))
	routes.Handle("POST /v1/messages", keyward.HTTP(http.HandlerFunc(hello), "messaging:send"))

	listener, err := net.Listen("tcp", "127.0.0.1:"+cmp.Or(os.Getenv("PORT"), "8000"))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("listening on", listener.Addr())
	log.Fatal(http.Serve(listener, routes))
}

func hello(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	shown := map[string]any{"key": nil, "owner": nil}
	if key := guard.Key(r.Context()); key != nil {
		shown = map[string]any{"key": key.GetId(), "owner": key.GetOwner()}
	}
	if err := json.NewEncoder(w).Encode(shown); err != nil {
		log.Print(err)
	}
}

// The load generator of bench/: it is the user's programs in front of a transport's client, and tor
// behind its server, in one process. It is written in Go so that it is never the slower half of what
// it measures.
//
// It writes the addresses of its two ORPorts as the first line. Then it takes one order a line on
// stdin, as JSON, and answers each with a line. A line of stdin that is no order ends it.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"log"
	"os"
)

// Way leads through a transport: a SOCKS request for Bridge to Socks, with Args where the transport
// has some. Where Socks and Bridge are the same, there is no transport.
type Way struct {
	Socks  string
	Bridge string
	Args   string
}

// Order is what is asked for.
type Order struct {
	Kind        string
	Way         Way
	Connections int
	AtOnce      int
	Bytes       int64
	Seconds     float64
}

// Answer is what came of it.
type Answer struct {
	// Seconds that it took.
	Seconds float64
	// Bytes that were moved, where that was not ordered.
	Bytes int64
	// Interactive and Fresh are milliseconds: of bytes there and back, and of connections until the
	// first byte has come back.
	Interactive []float64
	Fresh       []float64
}

func obey(order Order) (Answer, error) {
	switch order.Kind {
	case "up", "down":
		return transfer(order)
	case "connect":
		return connect(order)
	case "exchange":
		return exchange(order)
	case "beside":
		return beside(order)
	case "hold":
		return hold(order)
	case "stall":
		return stall(order)
	case "release":
		return release(), nil
	}
	return Answer{}, fmt.Errorf("there is no order %q", order.Kind)
}

func main() {
	log.SetFlags(0)
	log.SetPrefix("load generator: ")
	if len(os.Args) != 2 {
		log.Fatal("wants the path for the cookie of its Extended ORPort")
	}
	ports, err := serve(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	answers := json.NewEncoder(os.Stdout)
	answers.Encode(ports)
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		var order Order
		if err := json.Unmarshal(lines.Bytes(), &order); err != nil {
			log.Fatal(err)
		}
		answer, err := obey(order)
		if err != nil {
			log.Fatalf("%s: %v", order.Kind, err)
		}
		answers.Encode(answer)
	}
}

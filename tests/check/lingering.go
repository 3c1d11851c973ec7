// A client of dummy that listens and never ends by itself, whatever it is told: behind `go run`,
// which does not pass signals on, only the end of the whole process group ends it.
package main

import (
	"fmt"
	"net"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	if os.Getenv("TOR_PT_CLIENT_TRANSPORTS") == "" {
		fmt.Println("ENV-ERROR this is a client")
		os.Exit(1)
	}
	signal.Ignore(syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Println("VERSION 1")
	fmt.Printf("CMETHOD dummy socks5 %s\n", listener.Addr())
	fmt.Println("CMETHODS DONE")
	select {}
}

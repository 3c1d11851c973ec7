// The transport rot13 on goptlib, client and server: what examples/rot13.ts is, as an author of
// transports would write it in Go. It is made like goptlib's own example programs.
package main

import (
	"io"
	"net"
	"os"
	"sync"

	pt "gitlab.torproject.org/tpo/anti-censorship/pluggable-transports/goptlib"
)

var rotated = func() (table [256]byte) {
	for index := range table {
		char := byte(index)
		switch letter := char & 0xdf; {
		case letter >= 'A' && letter < 'N':
			char += 13
		case letter >= 'N' && letter <= 'Z':
			char -= 13
		}
		table[index] = char
	}
	return
}()

func rotate(bytes []byte) {
	for index, char := range bytes {
		bytes[index] = rotated[char]
	}
}

// rot13 is a connection whose letters are rotated.
type rot13 struct {
	net.Conn
}

func (conn rot13) Read(bytes []byte) (int, error) {
	length, err := conn.Conn.Read(bytes)
	rotate(bytes[:length])
	return length, err
}

func (conn rot13) Write(bytes []byte) (int, error) {
	rotate(bytes) // io.Copy does not use its buffer again before it has filled it anew.
	return conn.Conn.Write(bytes)
}

func relay(a, b net.Conn) {
	var both sync.WaitGroup
	both.Add(2)
	pump := func(to, from net.Conn) {
		io.Copy(to, from)
		both.Done()
	}
	go pump(a, b)
	go pump(b, a)
	both.Wait()
}

func serveUser(user *pt.SocksConn) {
	defer user.Close()
	bridge, err := net.Dial("tcp", user.Req.Target)
	if err != nil {
		user.Reject()
		return
	}
	defer bridge.Close()
	if user.Grant(bridge.RemoteAddr().(*net.TCPAddr)) == nil {
		relay(user, rot13{bridge})
	}
}

func serveClient(client net.Conn, info *pt.ServerInfo) {
	defer client.Close()
	tor, err := pt.DialOr(info, client.RemoteAddr().String(), "rot13")
	if err != nil {
		return
	}
	defer tor.Close()
	relay(rot13{client}, tor)
}

func runClient() error {
	if _, err := pt.ClientSetup(nil); err != nil {
		return err
	}
	listener, err := pt.ListenSocks("tcp", "127.0.0.1:0")
	if err != nil {
		return pt.CmethodError("rot13", err.Error())
	}
	pt.Cmethod("rot13", listener.Version(), listener.Addr())
	pt.CmethodsDone()
	for {
		user, err := listener.AcceptSocks()
		if err == nil {
			go serveUser(user)
		} else if temporary, ok := err.(net.Error); !ok || !temporary.Temporary() {
			return err
		}
	}
}

func runServer() error {
	info, err := pt.ServerSetup(nil)
	if err != nil {
		return err
	}
	listener, err := net.ListenTCP("tcp", info.Bindaddrs[0].Addr)
	if err != nil {
		return pt.SmethodError("rot13", err.Error())
	}
	pt.Smethod("rot13", listener.Addr())
	pt.SmethodsDone()
	for {
		client, err := listener.Accept()
		if err != nil {
			return err
		}
		go serveClient(client, &info)
	}
}

func main() {
	run := runServer
	if os.Getenv("TOR_PT_CLIENT_TRANSPORTS") != "" {
		run = runClient
	}
	if err := run(); err != nil {
		os.Exit(1)
	}
}

package main

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
)

// What the end behind the server does with a connection: its first byte says it, and the eight
// behind that the number of bytes.
const (
	echoes   = 'e' // Sends back what comes.
	receives = 'r' // Takes the bytes, then sends one.
	sends    = 's' // Sends the bytes.
	stalls   = 'x' // Neither reads nor sends.
)

const bufferSize = 256 * 1024

var cookieHeader = []byte("! Extended ORPort Auth Cookie !\x0a")

// Ports are the ORPort and the Extended ORPort.
type Ports struct {
	Orport    string
	ExtOrport string
}

// serve is tor: it accepts at both ORPorts from now on.
func serve(cookieFile string) (Ports, error) {
	cookie := make([]byte, 32)
	rand.Read(cookie)
	if err := os.WriteFile(cookieFile, append(cookieHeader, cookie...), 0o600); err != nil {
		return Ports{}, err
	}
	plain, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return Ports{}, err
	}
	extended, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return Ports{}, err
	}
	go acceptAll(plain, func(net.Conn) error { return nil })
	go acceptAll(extended, func(conn net.Conn) error { return authenticate(conn, cookie) })
	return Ports{plain.Addr().String(), extended.Addr().String()}, nil
}

func acceptAll(listener net.Listener, handshake func(net.Conn) error) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		go func() {
			defer conn.Close()
			if handshake(conn) == nil {
				serveConn(conn)
			}
		}()
	}
}

// authenticate is tor's half of the Extended ORPort's handshake, with SAFE_COOKIE.
func authenticate(conn net.Conn, cookie []byte) error {
	if _, err := conn.Write([]byte{1, 0}); err != nil {
		return err
	}
	asked := make([]byte, 33) // The method, and the client's nonce.
	if _, err := io.ReadFull(conn, asked); err != nil {
		return err
	}
	nonces := make([]byte, 64)
	copy(nonces, asked[1:])
	rand.Read(nonces[32:])
	hash := func(title string) []byte {
		mac := hmac.New(sha256.New, cookie)
		mac.Write([]byte(title))
		mac.Write(nonces)
		return mac.Sum(nil)
	}
	serverHash := hash("ExtORPort authentication server-to-client hash")
	if _, err := conn.Write(append(serverHash, nonces[32:]...)); err != nil {
		return err
	}
	answer := make([]byte, 32)
	if _, err := io.ReadFull(conn, answer); err != nil {
		return err
	}
	if !hmac.Equal(answer, hash("ExtORPort authentication client-to-server hash")) {
		return errors.New("another cookie")
	}
	if _, err := conn.Write([]byte{1}); err != nil {
		return err
	}
	for {
		head := make([]byte, 4)
		if _, err := io.ReadFull(conn, head); err != nil {
			return err
		}
		if _, err := io.CopyN(io.Discard, conn, int64(binary.BigEndian.Uint16(head[2:]))); err != nil {
			return err
		}
		if head[0] == 0 && head[1] == 0 {
			_, err := conn.Write([]byte{0x10, 0, 0, 0})
			return err
		}
	}
}

func serveConn(conn net.Conn) {
	head := make([]byte, 9)
	if _, err := io.ReadFull(conn, head); err != nil {
		return
	}
	count := int64(binary.BigEndian.Uint64(head[1:]))
	switch head[0] {
	case echoes:
		small := make([]byte, 4096)
		for {
			length, err := conn.Read(small)
			if err != nil {
				return
			}
			if _, err := conn.Write(small[:length]); err != nil {
				return
			}
		}
	case receives:
		if receive(conn, count) == nil {
			conn.Write([]byte{1})
		}
	case sends:
		send(conn, count)
	case stalls:
		waitForRelease()
	}
}

// receive reads so many bytes, through one buffer: io.Copy would have the kernel move them by itself,
// which no user's program does.
func receive(conn net.Conn, count int64) error {
	buffer := make([]byte, bufferSize)
	for count > 0 {
		length, err := conn.Read(buffer)
		if err != nil {
			return err
		}
		count -= int64(length)
	}
	return nil
}

func send(conn net.Conn, count int64) error {
	buffer := make([]byte, bufferSize)
	for count > 0 {
		if count < bufferSize {
			buffer = buffer[:count]
		}
		length, err := conn.Write(buffer)
		if err != nil {
			return err
		}
		count -= int64(length)
	}
	return nil
}

// wrong_key_server is a TLS server that may have the private key of another certificate than the one
// it sends, which no library lets itself be configured with otherwise.
//
//	wrong_key_server VERSION CERTIFICATE KEY
//
// VERSION is the highest one it speaks, "1.2" or "1.3"; CERTIFICATE and KEY are in PEM. It prints
// its port on stdout, says "hello" on each connection, and ends when stdin does.
package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net"
	"os"
)

func main() {
	version := map[string]uint16{"1.2": tls.VersionTLS12, "1.3": tls.VersionTLS13}[os.Args[1]]
	certificate, _ := pem.Decode([]byte(os.Args[2]))
	block, _ := pem.Decode([]byte(os.Args[3]))
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		log.Fatal(err)
	}
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{
		MaxVersion:   version,
		Certificates: []tls.Certificate{{Certificate: [][]byte{certificate.Bytes}, PrivateKey: key}},
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				log.Fatal(err)
			}
			go func() {
				defer conn.Close()
				fmt.Fprint(conn, "hello")
				io.Copy(io.Discard, conn)
			}()
		}
	}()
	io.Copy(io.Discard, os.Stdin)
}

// goptlib_parsers tells what goptlib makes of an input, so that it can be compared with what we
// make of it.
//
// It reads one case from each line of stdin, in JSON, and answers each with one line of JSON. Only
// what goptlib exports is called. Bytes that need not be UTF-8 are in Base64.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"strings"
	"time"

	pt "gitlab.torproject.org/tpo/anti-censorship/pluggable-transports/goptlib"
)

// testCase is an input. Op says which of the other fields are used.
type testCase struct {
	Op string `json:"op"`
	// "client" and "server": the environment that is set up, by whole names.
	Env map[string]string `json:"env"`
	// "smethod": what is reported.
	Name string      `json:"name"`
	Host string      `json:"host"`
	Port int         `json:"port"`
	Args [][2]string `json:"args"`
	// "log": the message.
	Text string `json:"text"`
	// "socks": what the client sends, one piece for each read.
	Pieces [][]byte `json:"pieces"`
}

// pair holds the values of a key, in their order.
type pair struct {
	Key    []byte   `json:"key"`
	Values [][]byte `json:"values"`
}

type proxy struct {
	Scheme   string  `json:"scheme"`
	User     *[]byte `json:"user"`
	Password *[]byte `json:"password"`
	Host     string  `json:"host"`
	Port     string  `json:"port"`
	// Behind is what follows the port, and may not be there.
	Behind string `json:"behind"`
}

type bindaddr struct {
	Name    string `json:"name"`
	Host    string `json:"host"`
	Port    int    `json:"port"`
	Options []pair `json:"options"`
}

type request struct {
	Target []byte `json:"target"`
	Args   []pair `json:"args"`
}

// answer is what goptlib makes of a case.
type answer struct {
	// Refused is the text of the error or of the panic.
	Refused  *string `json:"refused"`
	Panicked bool    `json:"panicked"`
	// Printed is what it says on stdout.
	Printed   string     `json:"printed"`
	Methods   []string   `json:"methods"`
	Proxy     *proxy     `json:"proxy"`
	Bindaddrs []bindaddr `json:"bindaddrs"`
	OrAddr    string     `json:"orAddr"`
	ExtOrAddr string     `json:"extOrAddr"`
	Cookie    string     `json:"cookie"`
	Request   *request   `json:"request"`
	Written   []byte     `json:"written"`
}

func pairsOf(args pt.Args) []pair {
	pairs := []pair{}
	for key, values := range args {
		all := [][]byte{}
		for _, value := range values {
			all = append(all, []byte(value))
		}
		pairs = append(pairs, pair{[]byte(key), all})
	}
	return pairs
}

func setEnvironment(env map[string]string) error {
	for _, variable := range os.Environ() {
		if name, _, _ := strings.Cut(variable, "="); strings.HasPrefix(name, "TOR_PT_") {
			os.Unsetenv(name)
		}
	}
	for name, value := range env {
		if err := os.Setenv(name, value); err != nil {
			return err
		}
	}
	return nil
}

func client(a *answer) error {
	info, err := pt.ClientSetup(nil)
	a.Methods = info.MethodNames
	if err != nil || info.ProxyURL == nil {
		return err
	}
	u := info.ProxyURL
	p := &proxy{Scheme: u.Scheme, Host: u.Hostname(), Port: u.Port()}
	if u.User != nil {
		user := []byte(u.User.Username())
		p.User = &user
		if text, set := u.User.Password(); set {
			password := []byte(text)
			p.Password = &password
		}
	}
	p.Behind = u.RequestURI()
	if u.Path == "" {
		p.Behind = strings.TrimPrefix(p.Behind, "/")
	}
	if u.Fragment != "" {
		p.Behind += "#" + u.Fragment
	}
	a.Proxy = p
	return nil
}

func server(a *answer) error {
	info, err := pt.ServerSetup(nil)
	if err != nil {
		return err
	}
	a.Bindaddrs = []bindaddr{}
	for _, b := range info.Bindaddrs {
		a.Bindaddrs = append(a.Bindaddrs, bindaddr{
			b.MethodName, b.Addr.IP.String(), b.Addr.Port, pairsOf(b.Options),
		})
	}
	if info.OrAddr != nil {
		a.OrAddr = info.OrAddr.String()
	}
	if info.ExtendedOrAddr != nil {
		a.ExtOrAddr = info.ExtendedOrAddr.String()
	}
	a.Cookie = info.AuthCookiePath
	return nil
}

// conn is a connection in memory: each read gives one piece, and then the end comes.
type conn struct {
	net.Conn
	pieces  [][]byte
	written bytes.Buffer
}

func (c *conn) Read(p []byte) (int, error) {
	if len(c.pieces) == 0 {
		return 0, io.EOF
	}
	n := copy(p, c.pieces[0])
	if c.pieces[0] = c.pieces[0][n:]; len(c.pieces[0]) == 0 {
		c.pieces = c.pieces[1:]
	}
	return n, nil
}

func (c *conn) Write(p []byte) (int, error)   { return c.written.Write(p) }
func (c *conn) Close() error                  { return nil }
func (c *conn) SetDeadline(_ time.Time) error { return nil }

// listener accepts one connection.
type listener struct {
	net.Listener
	conn *conn
}

func (l *listener) Accept() (net.Conn, error) {
	if l.conn == nil {
		return nil, io.EOF
	}
	c := l.conn
	l.conn = nil
	return c, nil
}

func socks(a *answer, pieces [][]byte) error {
	c := &conn{pieces: pieces}
	accepted, err := pt.NewSocksListener(&listener{conn: c}).AcceptSocks()
	a.Written = c.written.Bytes()
	if err != nil {
		return err
	}
	a.Request = &request{[]byte(accepted.Req.Target), pairsOf(accepted.Req.Args)}
	return nil
}

func smethod(c *testCase) {
	args := make(pt.Args)
	for _, pair := range c.Args {
		args.Add(pair[0], pair[1])
	}
	pt.SmethodArgs(c.Name, &net.TCPAddr{IP: net.ParseIP(c.Host), Port: c.Port}, args)
}

func run(c *testCase, a *answer) (err error) {
	defer func() {
		if reason := recover(); reason != nil {
			a.Panicked = true
			err = fmt.Errorf("panic: %v", reason)
		}
	}()
	switch c.Op {
	case "client", "server":
		if err := setEnvironment(c.Env); err != nil {
			log.Fatal(err)
		}
		if c.Op == "client" {
			return client(a)
		}
		return server(a)
	case "smethod":
		smethod(c)
		return nil
	case "log":
		pt.Log(pt.LogSeverityNotice, c.Text)
		return nil
	case "socks":
		return socks(a, c.Pieces)
	}
	log.Fatalf("there is no op %q", c.Op)
	return nil
}

func main() {
	in := bufio.NewReader(os.Stdin)
	out := bufio.NewWriter(os.Stdout)
	for {
		line, err := in.ReadBytes('\n')
		if err == io.EOF {
			return
		}
		if err != nil {
			log.Fatal(err)
		}
		var c testCase
		if err := json.Unmarshal(line, &c); err != nil {
			log.Fatal(err)
		}
		var printed bytes.Buffer
		pt.Stdout = &printed
		var a answer
		if err := run(&c, &a); err != nil {
			text := err.Error()
			a.Refused = &text
		}
		a.Printed = printed.String()
		if err := json.NewEncoder(out).Encode(a); err != nil {
			log.Fatal(err)
		}
		if err := out.Flush(); err != nil {
			log.Fatal(err)
		}
	}
}

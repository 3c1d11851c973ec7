package main

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// forEver is more bytes than are ever sent.
const forEver = 1 << 50

// dial opens a connection through the transport, and says what the other end is to do with it.
func dial(way Way, kind byte, count int64) (net.Conn, error) {
	conn, err := net.Dial("tcp", way.Socks)
	if err != nil {
		return nil, err
	}
	if way.Socks != way.Bridge {
		err = request(conn, way.Bridge, way.Args)
	}
	if err == nil {
		_, err = conn.Write(binary.BigEndian.AppendUint64([]byte{kind}, uint64(count)))
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	return conn, nil
}

// handOver hands over arguments as a user name, with a NUL for a password (pt-spec section 3.5).
func handOver(conn net.Conn, args string) error {
	words := append([]byte{1, byte(len(args))}, args...)
	if _, err := conn.Write(append(words, 1, 0)); err != nil {
		return err
	}
	answer := make([]byte, 2)
	if _, err := io.ReadFull(conn, answer); err != nil {
		return err
	}
	if answer[1] != 0 {
		return fmt.Errorf("the arguments were answered by %d", answer[1])
	}
	return nil
}

// request is a SOCKS5 request as tor makes it. The arguments may have 255 bytes.
func request(conn net.Conn, bridge, args string) error {
	host, port, err := net.SplitHostPort(bridge)
	if err != nil {
		return err
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		return err
	}
	answer := make([]byte, 10)
	method := byte(0)
	if args != "" {
		method = 2
	}
	if _, err := conn.Write([]byte{5, 1, method}); err != nil {
		return err
	}
	if _, err := io.ReadFull(conn, answer[:2]); err != nil {
		return err
	}
	if args != "" {
		if err := handOver(conn, args); err != nil {
			return err
		}
	}
	asked := append([]byte{5, 1, 0, 1}, net.ParseIP(host).To4()...)
	if _, err := conn.Write(binary.BigEndian.AppendUint16(asked, uint16(number))); err != nil {
		return err
	}
	if _, err := io.ReadFull(conn, answer); err != nil {
		return err
	}
	if answer[1] != 0 {
		return fmt.Errorf("the request was answered by %d", answer[1])
	}
	return nil
}

// together does the same so many times at once, and returns the first error.
func together(count int, do func() error) error {
	errs := make(chan error, count)
	for index := 0; index < count; index++ {
		go func() { errs <- do() }()
	}
	var first error
	for index := 0; index < count; index++ {
		if err := <-errs; err != nil && first == nil {
			first = err
		}
	}
	return first
}

// transfer moves so many bytes in all, on so many connections at once.
func transfer(order Order) (Answer, error) {
	each := order.Bytes / int64(order.Connections)
	start := time.Now()
	err := together(order.Connections, func() error {
		if order.Kind == "down" {
			conn, err := dial(order.Way, sends, each)
			if err != nil {
				return err
			}
			defer conn.Close()
			return receive(conn, each)
		}
		conn, err := dial(order.Way, receives, each)
		if err != nil {
			return err
		}
		defer conn.Close()
		if err := send(conn, each); err != nil {
			return err
		}
		return receive(conn, 1)
	})
	return Answer{Seconds: time.Since(start).Seconds()}, err
}

// bounce sends 512 bytes, the size of a cell of tor's, and waits until they are back.
func bounce(conn net.Conn) error {
	cell := make([]byte, 512)
	if _, err := conn.Write(cell); err != nil {
		return err
	}
	_, err := io.ReadFull(conn, cell)
	return err
}

// open is a connection with a byte there and back.
func open(way Way) (net.Conn, error) {
	conn, err := dial(way, echoes, 0)
	if err != nil {
		return nil, err
	}
	_, err = conn.Write([]byte{1})
	if err == nil {
		_, err = io.ReadFull(conn, make([]byte, 1))
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	return conn, nil
}

func milliseconds(since time.Time) float64 {
	return float64(time.Since(since).Nanoseconds()) / 1e6
}

// connect opens and closes so many connections, some at once.
func connect(order Order) (Answer, error) {
	var left atomic.Int64
	left.Store(int64(order.Connections))
	var mutex sync.Mutex
	answer := Answer{}
	start := time.Now()
	err := together(order.AtOnce, func() error {
		for left.Add(-1) >= 0 {
			begun := time.Now()
			conn, err := open(order.Way)
			if err != nil {
				return err
			}
			took := milliseconds(begun)
			conn.Close()
			mutex.Lock()
			answer.Fresh = append(answer.Fresh, took)
			mutex.Unlock()
		}
		return nil
	})
	answer.Seconds = time.Since(start).Seconds()
	return answer, err
}

// exchange has so many cells bounce on one connection, one after the other.
func exchange(order Order) (Answer, error) {
	conn, err := open(order.Way)
	if err != nil {
		return Answer{}, err
	}
	defer conn.Close()
	answer := Answer{}
	start := time.Now()
	for count := order.Bytes / 512; count > 0; count-- {
		begun := time.Now()
		if err := bounce(conn); err != nil {
			return Answer{}, err
		}
		answer.Interactive = append(answer.Interactive, milliseconds(begun))
	}
	answer.Seconds = time.Since(start).Seconds()
	return answer, nil
}

// How long a person's program waits behind an answer before it asks again.
const pause = 20 * time.Millisecond

// beside has so many flows of bulk, half of them up and half down, and beside them a connection on
// which cells bounce, and new connections one after the other.
func beside(order Order) (Answer, error) {
	var moved atomic.Int64
	var flows []net.Conn
	var running sync.WaitGroup
	defer running.Wait()
	defer func() {
		for _, conn := range flows {
			conn.Close()
		}
	}()
	for index := 0; index < order.Connections; index++ {
		kind, move := byte(sends), net.Conn.Read
		if index%2 == 0 {
			kind, move = receives, net.Conn.Write
		}
		conn, err := dial(order.Way, kind, forEver)
		if err != nil {
			return Answer{}, err
		}
		flows = append(flows, conn)
		running.Add(1)
		go func() {
			defer running.Done()
			buffer := make([]byte, bufferSize)
			for {
				length, err := move(conn, buffer)
				moved.Add(int64(length))
				if err != nil {
					return
				}
			}
		}()
	}
	time.Sleep(200 * time.Millisecond) // Until the flows are at full speed.
	before, start := moved.Load(), time.Now()
	until := start.Add(time.Duration(order.Seconds * float64(time.Second)))
	answer := Answer{}
	interactive := func() error {
		conn, err := open(order.Way)
		if err != nil {
			return err
		}
		defer conn.Close()
		// Once at least, also where to open it has taken all the time.
		for first := true; first || time.Now().Before(until); first = false {
			begun := time.Now()
			if err := bounce(conn); err != nil {
				return err
			}
			answer.Interactive = append(answer.Interactive, milliseconds(begun))
			time.Sleep(pause)
		}
		return nil
	}
	fresh := func() error {
		for time.Now().Before(until) {
			begun := time.Now()
			conn, err := open(order.Way)
			if err != nil {
				return err
			}
			answer.Fresh = append(answer.Fresh, milliseconds(begun))
			conn.Close()
			time.Sleep(pause)
		}
		return nil
	}
	errs := make(chan error, 2)
	go func() { errs <- interactive() }()
	go func() { errs <- fresh() }()
	for index := 0; index < 2; index++ {
		if err := <-errs; err != nil {
			return Answer{}, err
		}
	}
	answer.Bytes, answer.Seconds = moved.Load()-before, time.Since(start).Seconds()
	return answer, nil
}

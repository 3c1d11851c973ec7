package main

import (
	"net"
	"time"
)

// What hold and stall have left open, and what says that it is over.
var (
	held     []net.Conn
	released = make(chan struct{})
)

func waitForRelease() { <-released }

// hold opens so many connections, one after the other, and keeps them.
func hold(order Order) (Answer, error) {
	start := time.Now()
	for index := 0; index < order.Connections; index++ {
		conn, err := open(order.Way)
		if err != nil {
			return Answer{}, err
		}
		held = append(held, conn)
	}
	return Answer{Seconds: time.Since(start).Seconds()}, nil
}

// How long a write has to wait before nothing more is taken.
const stalled = time.Second

// stall has so many connections send until nothing more is taken: nobody reads at the other end.
func stall(order Order) (Answer, error) {
	start := time.Now()
	taken := make(chan int64, order.Connections)
	for index := 0; index < order.Connections; index++ {
		conn, err := dial(order.Way, stalls, 0)
		if err != nil {
			return Answer{}, err
		}
		held = append(held, conn)
		go func() {
			buffer := make([]byte, bufferSize)
			total := int64(0)
			for {
				conn.SetWriteDeadline(time.Now().Add(stalled))
				length, err := conn.Write(buffer)
				total += int64(length)
				if err != nil {
					taken <- total
					return
				}
			}
		}()
	}
	answer := Answer{}
	for index := 0; index < order.Connections; index++ {
		answer.Bytes += <-taken
	}
	answer.Seconds = time.Since(start).Seconds()
	return answer, nil
}

// release closes everything that hold and stall have left open.
func release() Answer {
	for _, conn := range held {
		conn.Close()
	}
	held = nil
	close(released)
	released = make(chan struct{})
	return Answer{}
}

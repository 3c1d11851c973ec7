// Judges first payloads by OpenGFW's rule for fully encrypted traffic. Before each stands its length
// in two bytes; for each a letter is printed: y where it is blocked, n where it is not.
package main

import (
	"bufio"
	"encoding/binary"
	"io"
	"os"

	"github.com/apernet/OpenGFW/analyzer"
	"github.com/apernet/OpenGFW/analyzer/tcp"
)

func main() {
	in, out := bufio.NewReader(os.Stdin), bufio.NewWriter(os.Stdout)
	defer out.Flush()
	for {
		var length uint16
		if binary.Read(in, binary.BigEndian, &length) != nil {
			return
		}
		payload := make([]byte, length)
		if _, err := io.ReadFull(in, payload); err != nil {
			return
		}
		stream := (&tcp.FETAnalyzer{}).NewTCP(analyzer.TCPInfo{}, nil)
		update, _ := stream.Feed(false, true, false, 0, payload)
		letter := byte('n')
		if update != nil && update.M["yes"] == true {
			letter = 'y'
		}
		out.WriteByte(letter)
	}
}

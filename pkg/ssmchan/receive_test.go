package ssmchan_test

import (
	"encoding/binary"
	"errors"
	"strconv"
	"testing"

	"errand/pkg/ssmchan"
)

// FuzzReceiver feeds frames of any numbers in any order, whole and damaged. Each
// is three bytes: two of the number, counted from before the one that is next,
// and one for what it is.
func FuzzReceiver(f *testing.F) {
	f.Add([]byte{0, 16, 0, 0, 16, 0, 0, 16, 0})
	f.Add([]byte{0, 17, 0, 0, 18, 0, 0, 16, 0, 0, 15, 0})
	f.Add([]byte{0, 16, 1, 0, 16, 1, 0, 16, 1, 0, 16, 1, 0, 16, 1})
	f.Add([]byte{0x27, 0x20, 0, 0x27, 0x1f, 0, 0xff, 0xff, 1, 0, 0, 2})
	f.Fuzz(func(t *testing.T, b []byte) {
		var r ssmchan.Receiver
		var next int64 // that must be delivered
		taken := map[int64]bool{}
		for ; len(b) >= 3; b = b[3:] {
			n := next - 16 + int64(binary.BigEndian.Uint16(b))
			if b[2]&2 != 0 { // as far away as can be
				n |= int64(b[2]) << 56
			}
			frame := ssmchan.Frame{Type: ssmchan.TypeOutput, Sequence: n, Payload: strconv.AppendInt(nil, n, 10)}
			if b[2]&1 != 0 {
				if err := r.Spoiled(frame, ssmchan.ErrDigest); err != nil {
					if !errors.Is(err, ssmchan.ErrProtocol) || taken[n] {
						t.Fatalf("frame %d: %v", n, err)
					}
					return
				}
				continue
			}
			frames, ack := r.Take(frame)
			if want := n >= 0 && n < next+ssmchan.Window; ack != want {
				t.Fatalf("frame %d with %d next: acknowledged %v", n, next, ack)
			}
			taken[n] = taken[n] || ack
			for _, f := range frames {
				if f.Sequence != next || !taken[next] || string(f.Payload) != strconv.FormatInt(next, 10) {
					t.Fatalf("delivered %d (%s), want %d", f.Sequence, f.Payload, next)
				}
				next++
			}
			if taken[next] {
				t.Fatalf("frame %d was acknowledged and its turn has come", next)
			}
			if held, bad := r.Sizes(); held >= ssmchan.Window || bad > ssmchan.Window {
				t.Fatalf("%d frames and %d digests are kept", held, bad)
			}
		}
	})
}

package ssmchan_test

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"errand/pkg/ssmchan"
)

var id = ssmchan.UUID{0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff}

func vector1() ssmchan.Frame {
	return ssmchan.Frame{
		Type: ssmchan.TypeOutput, Created: time.UnixMilli(1700000000000), Sequence: 5, ID: id,
		PayloadType: ssmchan.PayloadOutput, Payload: []byte("hi\r\n"),
	}
}

const vector1Hex = "000000746f75747075745f73747265616d5f64617461" + "2020202020202020202020202020" + "000000010000018bcfe56800" +
	"00000000000000050000000000000000" + "8899aabbccddeeff0011223344556677" +
	"44723dd4d0e0d46a3c7fa8aca254b61c27b6b5789f96177e82c80700409f1535" + "000000010000000468690d0a"

func TestVectors(t *testing.T) {
	t.Parallel()
	if got := hex.EncodeToString(vector1().Append(nil)); got != vector1Hex {
		t.Errorf("got  %s\nwant %s", got, vector1Hex)
	}
	ack, err := json.Marshal(ssmchan.Acknowledgement{Type: ssmchan.TypeOutput, ID: id.String(), Sequence: 5, IsSequential: true})
	if err != nil {
		t.Fatal(err)
	}
	if want := `{"AcknowledgedMessageType":"output_stream_data","AcknowledgedMessageId":"00112233-4455-6677-8899-aabbccddeeff","AcknowledgedMessageSequenceNumber":5,"IsSequentialMessage":true}`; string(ack) != want {
		t.Errorf("got %s, want %s", ack, want)
	}
	frame := ssmchan.Frame{
		Type: ssmchan.TypeAcknowledge, Created: time.UnixMilli(1700000000000), ID: id,
		Flags: ssmchan.FlagSYN | ssmchan.FlagFIN, Payload: ack,
	}.Append(nil)
	if len(frame) != 296 || hex.EncodeToString(frame[80:112]) != "c042f04dae720ddf0a04ac868690251897ea8e1f56ee6bc073b455575d2e1996" {
		t.Errorf("acknowledgement of %d bytes with digest %x", len(frame), frame[80:112])
	}
}

func TestParse(t *testing.T) {
	t.Parallel()
	got, err := ssmchan.Parse(vector1().Append(nil))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(vector1(), got); diff != "" {
		t.Errorf("frame (-want +got):\n%s", diff)
	}
	for _, tc := range []struct {
		name   string
		change func([]byte) []byte
		want   string
	}{
		{"empty", func([]byte) []byte { return nil }, "shorter than its header"},
		{"cut in the header", func(b []byte) []byte { return b[:119] }, "shorter than its header"},
		{"cut in the payload", func(b []byte) []byte { return b[:len(b)-1] }, "payload has 4"},
		{"a header beyond the end", func(b []byte) []byte { b[0] = 0xff; return b }, "says that its header has"},
		{"a header that is too short", func(b []byte) []byte { b[3] = 4; return b }, "says that its header has 4"},
		{"a payload beyond the end", func(b []byte) []byte { b[116] = 0xff; return b }, "says that its payload has"},
		{"another payload", func(b []byte) []byte { b[120] = 'H'; return b }, "digest"},
		{"no date", func(b []byte) []byte { clear(b[40:48]); return b }, "without a type or a date"},
		{"no type", func(b []byte) []byte { clear(b[4:36]); return b }, "without a type or a date"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			f, err := ssmchan.Parse(tc.change(vector1().Append(nil)))
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
			if errors.Is(err, ssmchan.ErrDigest) && f.Sequence != 5 {
				t.Errorf("the number is lost: %+v", f)
			}
		})
	}
	pause := ssmchan.Frame{Type: ssmchan.TypePausePublication}.Append(nil)
	if f, err := ssmchan.Parse(pause); err != nil || f.Type != ssmchan.TypePausePublication {
		t.Errorf("pause_publication: %+v, %v", f, err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(vector1().Append(nil))
	f.Add(ssmchan.Frame{Type: ssmchan.TypeStartPublication}.Append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		frame, err := ssmchan.Parse(b)
		if err != nil || len(frame.Payload) == 0 {
			return
		}
		again, err := ssmchan.Parse(frame.Append(nil))
		if err != nil {
			t.Fatalf("%+v cannot be read back: %v", frame, err)
		}
		if diff := cmp.Diff(frame, again); diff != "" {
			t.Errorf("frame (-first +again):\n%s", diff)
		}
	})
}

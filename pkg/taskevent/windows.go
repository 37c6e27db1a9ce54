package taskevent

import (
	"fmt"
	"math"
)

// ofWindows is what a code means with which Windows ended a process, "" for others. It
// is a status of 32 bits, without a sign or with one, whose names people look up in
// hexadecimal
// (https://learn.microsoft.com/en-us/openspecs/windows_protocols/ms-erref/596a1078-e883-4972-9bbc-49e60bebca55).
func ofWindows(code int) string {
	if code < math.MinInt32 || code > math.MaxUint32 {
		return ""
	}
	status := uint32(code) //nolint:gosec // the bits are what counts
	if status>>30 != 3 {   // the severity "error"
		return ""
	}
	what := fmt.Sprintf("0x%08X", status)
	if name := statuses[status]; name != "" {
		what += ", " + name
	}
	return what
}

// statuses are those that programs end with, by Microsoft's names. The one of .NET is
// on https://learn.microsoft.com/en-us/shows/inside/e0434352.
var statuses = map[uint32]string{
	0xC0000005: "STATUS_ACCESS_VIOLATION",
	0xC0000017: "STATUS_NO_MEMORY",
	0xC000001D: "STATUS_ILLEGAL_INSTRUCTION",
	0xC0000094: "STATUS_INTEGER_DIVIDE_BY_ZERO",
	0xC00000FD: "STATUS_STACK_OVERFLOW",
	0xC0000135: "STATUS_DLL_NOT_FOUND",
	0xC000013A: "STATUS_CONTROL_C_EXIT",
	0xC0000142: "STATUS_DLL_INIT_FAILED",
	0xC0000374: "STATUS_HEAP_CORRUPTION",
	0xC0000409: "STATUS_STACK_BUFFER_OVERRUN",
	0xE0434352: "an exception of .NET that nobody caught",
}

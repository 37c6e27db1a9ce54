package session

import "time"

// Disturbance is how the agents and the gateway of sessions behave. With the
// zero value they behave as on AWS, but for a shorter wait before the first
// frame. Everything is counted, nothing is random.
type Disturbance struct {
	// FirstFrame passes between the start of the command and the agent's first
	// look at its output; 0 means 50 ms. The real agent takes a second.
	FirstFrame time.Duration
	// Pace passes between two reads of up to 1,024 bytes; 0 means 1 ms, as in
	// the real agent, and less than 0 no wait.
	Pace time.Duration
	// Resend is how often the agent looks whether its oldest unacknowledged
	// frame is due again; 0 means 100 ms. A frame is due after twice that at
	// first, later after what the measured round trips say, at most ten times.
	Resend time.Duration
	// Drain is how long the agent waits at the end for acknowledgements; 0
	// means 2 s.
	Drain time.Duration
	// Handshake is how long the agent waits for either answer of the client,
	// if the cluster has a KMS key; 0 means 15 s.
	Handshake time.Duration

	// Shell is the program, with its arguments, that the image has at /bin/sh; "" is
	// this machine's.
	Shell string
	// FullDisk lets the agent start the command, and then end the session, since it
	// cannot write the file in which it keeps the session.
	FullDisk bool
	// LastWords are what the agent says at the normal end of a session, such as that
	// it could not log it.
	LastWords string

	// RequireSigning refuses upgrades that are not signed for ssmmessages. The
	// signature itself is not checked, since the endpoint knows no secret keys.
	RequireSigning bool

	// LoseAcks loses every n-th acknowledgement of the client.
	LoseAcks int
	// Reorder sends every n-th frame only after the one that follows it. If
	// none does, the agent sends it again when it is due.
	Reorder int
	// Duplicate sends every n-th frame twice.
	Duplicate int
	// Announce sends pause_publication and start_publication after every n-th
	// frame, with a date and a digest that are not valid, as clients must not
	// look at either.
	Announce int
	// CutAfter cuts the connection once, when so many frames have been sent.
	CutAfter int
	// CloseWith, if not empty, closes the channel with that text when CloseAfter
	// frames have been sent, or when the client connects if CloseAfter is 0, and
	// ends the command as TerminateSession does.
	CloseWith  string
	CloseAfter int
	// Silent sends the client nothing at all. The command runs.
	Silent bool
	// NoClose sends no channel_closed and leaves the connection open.
	NoClose bool
	// CutWhenStopped cuts the connection when the container stops. Without it
	// the connection just goes silent, as on AWS.
	CutWhenStopped bool
}

// Disturb sets how the sessions behave that start from now on.
func (x *Service) Disturb(d Disturbance) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.disturbance = d
}

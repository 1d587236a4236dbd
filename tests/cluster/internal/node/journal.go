package node

import (
	"sync"
	"time"
)

// The states of a cluster. Ready and Failed end the start-up.
const (
	Starting = "starting"
	Ready    = "ready"
	Failed   = "failed"
)

// Entry is one line of progress.
type Entry struct {
	Seconds float64
	Text    string
	State   string
	// Component is the one at fault, where State is Failed.
	Component string `json:",omitempty"`
}

// journal keeps the entries of a start-up, so that who asks late reads all.
type journal struct {
	began time.Time

	mu      sync.Mutex
	entries []Entry
	changed chan struct{} // Closed, and replaced, by every new entry.
}

func newJournal() *journal {
	return &journal{began: time.Now(), changed: make(chan struct{})}
}

func (j *journal) add(state, component, text string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.entries = append(j.entries, Entry{
		Seconds: time.Since(j.began).Seconds(), Text: text, State: state, Component: component,
	})
	close(j.changed)
	j.changed = make(chan struct{})
}

func (j *journal) step(text string) { j.add(Starting, "", text) }

// from returns the entries after the first n, and a channel that is closed when
// there are more.
func (j *journal) from(n int) ([]Entry, <-chan struct{}) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.entries[n:], j.changed
}

func (j *journal) state() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.entries) == 0 {
		return Starting
	}
	return j.entries[len(j.entries)-1].State
}

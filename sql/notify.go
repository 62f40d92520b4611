package sql

import "sync"

// notification is one NOTIFY.
type notification struct{ channel, payload string }

// Notification is a message that another session sent with NOTIFY.
type Notification struct {
	PID     int32 // of the sender
	Channel string
	Payload string
}

// maxQueued is how many notifications wait for a session that does not fetch them; older ones give way.
const maxQueued = 8192

// channels are the ears of all sessions.
type channels struct {
	mu    sync.Mutex
	ears  map[string]map[*Session]bool
	queue map[*Session][]Notification
	wake  map[*Session]chan struct{}
}

func (c *channels) listen(s *Session, channel string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ears == nil {
		c.ears, c.queue, c.wake = map[string]map[*Session]bool{}, map[*Session][]Notification{}, map[*Session]chan struct{}{}
	}
	if c.ears[channel] == nil {
		c.ears[channel] = map[*Session]bool{}
	}
	c.ears[channel][s] = true
}

func (c *channels) unlisten(s *Session, channel string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.ears[channel], s)
	if len(c.ears[channel]) == 0 {
		delete(c.ears, channel)
	}
}

func (c *channels) unlistenAll(s *Session) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for name, ears := range c.ears {
		if delete(ears, s); len(ears) == 0 {
			delete(c.ears, name)
		}
	}
	delete(c.queue, s)
	delete(c.wake, s)
}

// publish hands the notifications of a committed transaction to the sessions that listen.
func (e *Engine) publish(pid int32, all []notification) {
	if len(all) == 0 {
		return
	}
	c := &e.channels
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, n := range all {
		for s := range c.ears[n.channel] {
			q := append(c.queue[s], Notification{pid, n.channel, n.payload})
			if len(q) > maxQueued {
				q = q[len(q)-maxQueued:]
			}
			c.queue[s] = q
			if wake := c.wake[s]; wake != nil {
				select {
				case wake <- struct{}{}:
				default:
				}
			}
		}
	}
}

// Notifications takes the notifications that wait for the session; they are to be sent while it is outside of a
// transaction. Any goroutine may call it.
func (s *Session) Notifications() []Notification {
	c := &s.engine.channels
	c.mu.Lock()
	defer c.mu.Unlock()
	q := c.queue[s]
	delete(c.queue, s)
	return q
}

// Notified gives a channel that receives when notifications wait. Any goroutine may call it.
func (s *Session) Notified() <-chan struct{} {
	c := &s.engine.channels
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.wake == nil {
		c.ears, c.queue, c.wake = map[string]map[*Session]bool{}, map[*Session][]Notification{}, map[*Session]chan struct{}{}
	}
	if c.wake[s] == nil {
		c.wake[s] = make(chan struct{}, 1)
	}
	return c.wake[s]
}

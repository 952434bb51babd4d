package hub

import (
	"context"
	"time"
)

// A Broker keeps the logs of topics where the hubs of several processes can
// share them. It decides the order of events and the conditions of writes. A
// hub follows each topic that somebody reads: it keeps a copy of the log, fed by
// the broker, which proves each record by the tag of its predecessor and asks
// again by itself where something is missing. So a broker may lose what it feeds
// as long as it says so; what it has acknowledged it must not lose in silence.
//
// Methods are called from several goroutines at once, never under a lock of the
// hub, and honour ctx. Errors that mean "not now, nothing happened" match
// ErrUnavailable. hub/hubtest is the suite that a broker has to pass.
type Broker interface {
	// Append commits a write to a topic and returns its position, the zero one
	// on an ephemeral topic. Idempotency key, condition, limits, owner and the
	// write are one step, checked in this order: a known ID is answered with
	// the position of its first write (remembered for IdempotencyWindow); then
	// an owner whose lease has ended, ErrLeaseLost; a Match that is not what
	// the key is at, *ConflictError; a Delete of nothing, ErrNoKey; a table
	// that is full, *LimitError. If the write may have taken effect though
	// nobody said so, the error matches ErrUncertain.
	//
	// On an ephemeral topic it hands the record to those who are attached, at
	// most once, and keeps nothing.
	Append(ctx context.Context, t BrokerTopic, w *Write) (Position, error)

	// Read returns up to limit records of the log after a position, or says why
	// there is no way on from there: the log has left it behind (Trimmed), it
	// is of another log (Epoch) or of another branch of this one (Fork), which
	// the record that follows tells by its Prev, and the head by itself. The
	// zero Position is before the oldest record there is. It sees all that has
	// been acknowledged or fed before, and fails rather than return a part.
	// There is no Read of ephemeral topics.
	Read(ctx context.Context, t BrokerTopic, after Position, limit int) (Segment, error)

	// Snapshot calls row with the latest record of each key of a keyed topic,
	// in any order and never a tombstone, and returns the position at which
	// the table was exactly that. An error of row ends it and is returned.
	Snapshot(ctx context.Context, t BrokerTopic, row func(Record) error) (Position, error)

	// Attach feeds the records of a topic from now on: what is acknowledged
	// after it has returned comes to f, or f is told that something may be
	// missing. Each attachment is its own, also of one topic; detach ends it,
	// may be called more than once, and f may be called until it has returned.
	// ctx bounds the call only.
	Attach(ctx context.Context, t BrokerTopic, f Feed) (detach func(), err error)

	// Enter begins a lease of at least ttl and returns its owner's name, which
	// nobody ever had before. When the lease ends, because ttl has passed
	// without Renew or by Leave, each key whose latest write is the owner's
	// ends with exactly one tombstone (Expired), and the owner's writes are
	// refused. Renew returns ErrLeaseLost when it is too late; Leave of an
	// ended lease is no error.
	Enter(ctx context.Context, ttl time.Duration) (owner string, err error)
	Renew(ctx context.Context, owner string) error
	Leave(ctx context.Context, owner string) error
}

// A Feed is where a broker puts the records of an attached topic. Calls come one
// after the other; none blocks.
type Feed interface {
	// Deliver takes records, in the order of the log and each once.
	Deliver(records ...Record)
	// Down says that records will be missing from now on, and why.
	Down(err error)
	// Up says that the feed runs, and that what was committed before may be
	// missing from it. It needs no Down before it.
	Up()
}

// A BrokerTopic names a topic to a broker. The configuration, complete with its
// defaults, says what to keep; it is the same for all who use the topic. While the
// broker has the topic as another Kind it refuses Append and Attach with a *KindError
// whose Kind is the one it has, and changes nothing.
type BrokerTopic struct {
	Name   string
	Config TopicConfig
}

// An Op says what a Write does.
type Op uint8

const (
	OpPublish Op = iota // append an event
	OpPut               // make it the value of its key
	OpDelete            // append a tombstone and remove the key
)

// String returns "Publish", "Put" or "Delete".
func (o Op) String() string {
	if o > OpDelete {
		return "unknown"
	}
	return [...]string{"Publish", "Put", "Delete"}[o]
}

// A Write is what a log is asked to append. Its names and sizes have been
// checked. Nobody changes it or its Data any more.
type Write struct {
	Op          Op
	Key, Name   string
	Data        []byte // not nil but of a Delete
	Conditional bool
	Match       Position // the write that Key must be at if Conditional; zero: it must not exist
	ID          string   // of idempotent writes
	Owner       string   // of a Put: ties the key to the lease; of a Delete: must be alive
}

// A Record is an event in a broker's log. It is immutable, and so is its Data.
type Record struct {
	Pos       Position // zero on ephemeral topics
	Prev      uint32   // tag of the record before it; 0 for the first
	Time      time.Time
	Name, Key string
	Data      []byte // nil exactly on tombstones
	Deleted   bool
	Expired   bool // a tombstone of the end of a lease
}

// A Segment is a part of a log.
type Segment struct {
	Head    Position // of the log when it was read; never zero
	Reason  Reason   // not 0: there is no way on, and there are no records
	Records []Record // one after the other, without a hole
}

// record is the entry as a broker hands it out.
func (e *entry) record() Record {
	return Record{
		Pos: e.rev(), Prev: e.prev, Time: e.time, Name: e.name, Key: e.key, Data: e.data,
		Deleted: e.deleted, Expired: e.expired,
	}
}

// cost is what is charged for a record while it waits.
func (r *Record) cost() int64 {
	return int64(len(r.Data)+len(r.Key)+len(r.Name)) + entryOverhead
}

// entryOf is the entry that stands for a record.
func entryOf(r *Record) *entry {
	return &entry{
		epoch: r.Pos.epoch, off: r.Pos.off, tag: r.Pos.tag, prev: r.Prev, deleted: r.Deleted,
		expired: r.Expired, time: r.Time, name: r.Name, key: r.Key, data: r.Data,
	}
}

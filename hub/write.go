package hub

type writeOp uint8

const (
	opPublish writeOp = iota
	opPut
	opDelete
)

func (o writeOp) String() string { return [...]string{"Publish", "Put", "Delete"}[o] }

type optionKind uint8

const (
	optNone optionKind = iota
	optMatch
	optIdempotent
	optName
	optKey
)

// A WriteOption adds a condition, an idempotency key or an attribute to a write.
// Of several of one kind the last counts.
type WriteOption struct {
	kind optionKind
	text string
	pos  Position
}

// IfMatch lets a Put or Delete take effect only if the latest write of the key
// is the one at pos (Event.Rev), else it answers *ConflictError. The zero
// Position means Absent, so that ConflictError.Current can be tried again as
// it is.
func IfMatch(pos Position) WriteOption { return WriteOption{kind: optMatch, pos: pos} }

// Absent lets a Put take effect only if the key does not exist, else it answers
// *ConflictError.
func Absent() WriteOption { return WriteOption{kind: optMatch} }

// Idempotent makes a write repeatable: another write to the topic with the same
// id, within TopicConfig.IdempotencyWindow, publishes nothing and returns the
// position of the first one, whatever else it says. Writes that failed are not
// remembered. An id is at most 128 bytes long.
func Idempotent(id string) WriteOption { return WriteOption{kind: optIdempotent, text: id} }

// Name names the event, as an event stream's event field does. The names gap,
// reset, live and bye are the hub's own and are refused.
func Name(name string) WriteOption { return WriteOption{kind: optName, text: name} }

// Key gives an event of a log a key, a plain attribute there. Events of other
// kinds get theirs by Put.
func Key(key string) WriteOption { return WriteOption{kind: optKey, text: key} }

// A write is what a log is asked to append.
type write struct {
	op          writeOp
	key, name   string
	data        []byte
	conditional bool
	match       Position // zero: the key must be absent
	idem        string
}

// apply adds the options to w and checks what can be checked without the topic.
func (w *write) apply(opts []WriteOption, o *Options) error {
	for i := range opts {
		switch opt := &opts[i]; opt.kind {
		case optMatch:
			w.conditional, w.match = true, opt.pos
		case optIdempotent:
			if err := checkName("idempotency key", "", opt.text, maxIdempotencyKey); err != nil {
				return err
			}
			w.idem = opt.text
		case optName:
			if err := checkName("name", "Options.MaxNameBytes", opt.text, o.MaxNameBytes); err != nil {
				return err
			}
			if reserved(opt.text) {
				return &NameError{What: "name", Name: opt.text, Problem: "reserved for the hub's own events"}
			}
			w.name = opt.text
		case optKey:
			if w.op != opPublish {
				return &NameError{What: "key", Name: clip(opt.text), Problem: "given twice"}
			}
			w.key = opt.text
			if w.key == "" {
				return &NameError{What: "key", Problem: "empty"}
			}
		}
	}
	if w.op != opPublish || w.key != "" {
		if err := checkName("key", "Options.MaxNameBytes", w.key, o.MaxNameBytes); err != nil {
			return err
		}
	}
	if len(w.data) > o.MaxEventBytes {
		return &LimitError{Limit: "bytes of an event", Option: "Options.MaxEventBytes", Max: int64(o.MaxEventBytes), Got: int64(len(w.data))}
	}
	return nil
}

// checkKind refuses what a topic of this kind does not have.
func (w *write) checkKind(topic string, k Kind) error {
	op := ""
	switch {
	case k == Keyed && w.op == opPublish, k == Log && w.op != opPublish:
		op = w.op.String()
	case k == Ephemeral && w.op == opPublish && w.key != "":
		op = "Publish with Key"
	case k != Keyed && w.conditional:
		op = "conditional " + w.op.String()
	case k == Ephemeral && w.idem != "":
		op = "idempotent " + w.op.String()
	default:
		return nil
	}
	return &KindError{Topic: topic, Kind: k, Op: op}
}

package hub

type optionKind uint8

const (
	optNone optionKind = iota
	optMatch
	optIdempotent
	optName
	optKey
	optOwner
)

// A WriteOption adds a condition, an idempotency key or an attribute to a write.
// Of several of one kind the last counts.
type WriteOption struct {
	kind  optionKind
	text  string
	pos   Position
	owner *Owner
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
// reset, live and bye are the hub's own and are refused. Names that pages are to
// get should not be error or open, which a browser's EventSource would give to the
// handlers of its own events of these names.
func Name(name string) WriteOption { return WriteOption{kind: optName, text: name} }

// Key gives an event of a log a key, a plain attribute there. Events of other
// kinds get theirs by Put.
func Key(key string) WriteOption { return WriteOption{kind: optKey, text: key} }

// apply adds the options to w and checks what can be checked without the topic.
func (w *Write) apply(opts []WriteOption, o *Options) error {
	for i := range opts {
		switch opt := &opts[i]; opt.kind {
		case optMatch:
			w.Conditional, w.Match = true, opt.pos
		case optIdempotent:
			if err := checkName("idempotency key", "", opt.text, maxIdempotencyKey); err != nil {
				return err
			}
			w.ID = opt.text
		case optOwner:
			if opt.owner == nil {
				return nilError("*Owner")
			}
			w.Owner = opt.text
		case optName:
			if err := checkName("name", "Options.MaxNameBytes", opt.text, o.MaxNameBytes); err != nil {
				return err
			}
			if reserved(opt.text) {
				return &NameError{What: "name", Name: opt.text, Problem: "reserved for the hub's own events"}
			}
			w.Name = opt.text
		case optKey:
			if w.Op != OpPublish {
				return &NameError{What: "key", Name: clip(opt.text), Problem: w.Op.String() + " has its key; hub.Key is for Publish"}
			}
			w.Key = opt.text
			if w.Key == "" {
				return &NameError{What: "key", Problem: "empty"}
			}
		}
	}
	if w.Op != OpPublish || w.Key != "" {
		if err := checkName("key", "Options.MaxNameBytes", w.Key, o.MaxNameBytes); err != nil {
			return err
		}
	}
	if len(w.Data) > o.MaxEventBytes {
		return &LimitError{Limit: "bytes of an event", Option: "Options.MaxEventBytes", Max: int64(o.MaxEventBytes), Got: int64(len(w.Data))}
	}
	return nil
}

// checkKind refuses what a topic of this kind does not have.
func (w *Write) checkKind(topic string, k Kind) error {
	op := ""
	switch {
	case k == Keyed && w.Op == OpPublish, k == Log && w.Op != OpPublish:
		op = w.Op.String()
	case k == Ephemeral && w.Op == OpPublish && w.Key != "":
		op = "Publish with Key"
	case k != Keyed && w.Conditional:
		op = "conditional " + w.Op.String()
	case k != Keyed && w.Owner != "":
		op = "owned " + w.Op.String()
	case k == Ephemeral && w.ID != "":
		op = "idempotent " + w.Op.String()
	default:
		return nil
	}
	return &KindError{Topic: topic, Kind: k, Op: op}
}

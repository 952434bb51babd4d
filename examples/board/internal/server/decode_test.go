package server

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"unicode/utf8"
)

const goodHello = `{"t":"hello","v":1,"client":"c_0123456789abcdef0123456789abcdef","user":{"id":"u_7","name":"Ada","hue":210},"first":1}`

func TestMessagesThatCannotBeAnsweredEndTheConnection(t *testing.T) {
	for name, tt := range map[string]struct {
		in   string
		code int
	}{
		"empty":                    {``, 4000},
		"no JSON":                  {`hello`, 4000},
		"array":                    {`[]`, 4000},
		"null":                     {`null`, 4000},
		"cut off":                  {`{"t":"ping","n":1`, 4000},
		"two values":               {`{"t":"ping","n":1}{}`, 4000},
		"no t":                     {`{}`, 4000},
		"t of another type":        {`{"t":1}`, 4000},
		"unknown t":                {`{"t":"shutdown"}`, 4000},
		"t in capitals":            {`{"T":"ping","n":1}`, 4000},
		"field twice":              {`{"t":"ping","n":1,"n":2}`, 4000},
		"not UTF-8":                {"{\"t\":\"ping\xff\"}", 4000},
		"deep":                     {strings.Repeat(`{"t":`, 3000), 4000},
		"ping without n":           {`{"t":"ping"}`, 4000},
		"ping with a fraction":     {`{"t":"ping","n":1.5}`, 4000},
		"ping, negative":           {`{"t":"ping","n":-1}`, 4000},
		"ping with more":           {`{"t":"ping","n":1,"x":0}`, 4000},
		"leave with more":          {`{"t":"leave","all":true}`, 4000},
		"op without a number":      {`{"t":"op","k":"front","id":"n_1"}`, 4000},
		"op number 0":              {`{"t":"op","seq":0,"k":"front","id":"n_1"}`, 4000},
		"op number too large":      {`{"t":"op","seq":9007199254740992,"k":"front","id":"n_1"}`, 4000},
		"op number as text":        {`{"t":"op","seq":"1","k":"front","id":"n_1"}`, 4000},
		"long name of a field":     {`{"t":"leave","` + strings.Repeat(`\u202e`, 40) + `":1}`, 4000},
		"hello of version 2":       {`{"t":"hello","v":2,"whatever":1}`, 4003},
		"hello without version":    {strings.Replace(goodHello, `"v":1,`, ``, 1), 4000},
		"hello with more":          {strings.Replace(goodHello, `"v":1,`, `"v":1,"admin":true,`, 1), 4000},
		"hello, client too short":  {strings.Replace(goodHello, `c_0`, `c_`, 1), 4000},
		"hello, client in capital": {strings.Replace(goodHello, `abcdef"`, `ABCDEF"`, 1), 4000},
		"hello, first 0":           {strings.Replace(goodHello, `"first":1`, `"first":0`, 1), 4000},
		"hello without first":      {strings.Replace(goodHello, `,"first":1`, ``, 1), 4000},
		"hello, resume null":       {strings.Replace(goodHello, `"first":1`, `"first":1,"resume":null`, 1), 4000},
		"hello, resume no pos":     {strings.Replace(goodHello, `"first":1`, `"first":1,"resume":"../../etc"`, 1), 4000},
		"hello, resume empty":      {strings.Replace(goodHello, `"first":1`, `"first":1,"resume":""`, 1), 4000},
		"hello, no user":           {strings.Replace(goodHello, `"user":{"id":"u_7","name":"Ada","hue":210},`, ``, 1), 4000},
		"hello, user null":         {strings.Replace(goodHello, `{"id":"u_7","name":"Ada","hue":210}`, `null`, 1), 4000},
		"hello, user with more":    {strings.Replace(goodHello, `"hue":210`, `"hue":210,"role":"x"`, 1), 4000},
		"hello, user id":           {strings.Replace(goodHello, `u_7`, `u_<b>`, 1), 4000},
		"hello, no name":           {strings.Replace(goodHello, `Ada`, ``, 1), 4000},
		"hello, long name":         {strings.Replace(goodHello, `Ada`, strings.Repeat("é", 41), 1), 4000},
		"hello, hue":               {strings.Replace(goodHello, `210`, `360`, 1), 4000},
	} {
		t.Run(name, func(t *testing.T) {
			m, bad := decode([]byte(tt.in))
			if bad == nil {
				t.Fatalf("taken as %+v", m)
			}
			if int(bad.code) != tt.code || bad.reason == "" || len(bad.reason) > 123 || !utf8.ValidString(bad.reason) {
				t.Errorf("refused with %d %q, want %d and a reason that fits a close frame", int(bad.code), bad.reason, tt.code)
			}
		})
	}
}

func TestOperationsAreReadStrictly(t *testing.T) {
	const f = `"f":{"x":1,"y":-2.5,"color":"sky","text":"é"}`
	long := strings.Repeat("é", 2001)
	for name, tt := range map[string]struct{ in, bad string }{
		"create":                  {`"k":"create","id":"n_1",` + f, ""},
		"set place":               {`"k":"set","id":"n_1","f":{"x":100000,"y":-100000}`, ""},
		"set text":                {`"k":"set","id":"n_1","f":{"text":""},"textRev":0`, ""},
		"set all":                 {`"k":"set","id":"n_1",` + f + `,"textRev":3`, ""},
		"front":                   {`"k":"front","id":"n_1"`, ""},
		"delete":                  {`"k":"delete","id":"n_1"`, ""},
		"restore":                 {`"k":"restore","id":"n_1"`, ""},
		"2,000 code points":       {`"k":"set","id":"n_1","f":{"text":"` + long[2:] + `"},"textRev":0`, ""},
		"2,001 code points":       {`"k":"set","id":"n_1","f":{"text":"` + long + `"},"textRev":0`, "too_long"},
		"no kind":                 {`"id":"n_1"`, "invalid"},
		"unknown kind":            {`"k":"drop","id":"n_1"`, "invalid"},
		"no id":                   {`"k":"front"`, "invalid"},
		"id too long":             {`"k":"front","id":"n_` + strings.Repeat("a", 33) + `"`, "invalid"},
		"id with markup":          {`"k":"front","id":"n_<script>"`, "invalid"},
		"unknown field":           {`"k":"front","id":"n_1","force":true`, "invalid"},
		"front with fields":       {`"k":"front","id":"n_1","f":{}`, "invalid"},
		"create without text":     {`"k":"create","id":"n_1","f":{"x":1,"y":2,"color":"sky"}`, "invalid"},
		"create with a revision":  {`"k":"create","id":"n_1",` + f + `,"textRev":0`, "invalid"},
		"create with z":           {`"k":"create","id":"n_1","f":{"x":1,"y":2,"z":9,"color":"sky","text":""}`, "invalid"},
		"set nothing":             {`"k":"set","id":"n_1","f":{}`, "invalid"},
		"set without f":           {`"k":"set","id":"n_1"`, "invalid"},
		"set, f null":             {`"k":"set","id":"n_1","f":null`, "invalid"},
		"set x alone":             {`"k":"set","id":"n_1","f":{"x":1}`, "invalid"},
		"set x twice":             {`"k":"set","id":"n_1","f":{"x":1,"x":2,"y":1}`, "invalid"},
		"set text, no revision":   {`"k":"set","id":"n_1","f":{"text":""}`, "invalid"},
		"set color with revision": {`"k":"set","id":"n_1","f":{"color":"sky"},"textRev":1`, "invalid"},
		"revision negative":       {`"k":"set","id":"n_1","f":{"text":""},"textRev":-1`, "invalid"},
		"x out of range":          {`"k":"set","id":"n_1","f":{"x":100001,"y":0}`, "invalid"},
		"x beyond any float":      {`"k":"set","id":"n_1","f":{"x":1e999,"y":0}`, "invalid"},
		"x as text":               {`"k":"set","id":"n_1","f":{"x":"1","y":0}`, "invalid"},
		"x null":                  {`"k":"set","id":"n_1","f":{"x":null,"y":0}`, "invalid"},
		"colour of another kind":  {`"k":"set","id":"n_1","f":{"color":"black"}`, "invalid"},
		"colour in capitals":      {`"k":"set","id":"n_1","f":{"color":"Sky"}`, "invalid"},
		"text as number":          {`"k":"set","id":"n_1","f":{"text":1},"textRev":0`, "invalid"},
	} {
		t.Run(name, func(t *testing.T) {
			m, bad := decode(fmt.Appendf(nil, `{"t":"op","seq":7,%s}`, tt.in))
			if bad != nil {
				t.Fatalf("ends the connection: %v", bad)
			}
			if op := m.(operation); op.seq != 7 || op.bad != tt.bad {
				t.Errorf("operation %d, reject code %q; want 7, %q", op.seq, op.bad, tt.bad)
			}
		})
	}
}

func TestZeroHasNoSign(t *testing.T) {
	m, _ := decode([]byte(`{"t":"op","seq":1,"k":"set","id":"n_1","f":{"x":-0,"y":-0.0}}`))
	if op := m.(operation); math.Signbit(op.x) || math.Signbit(op.y) {
		t.Errorf("place %v,%v: a browser tells -0 from 0", op.x, op.y)
	}
}

func TestBoardNames(t *testing.T) {
	for name, want := range map[string]bool{
		"main": true, "a": true, "team-7": true, strings.Repeat("a", 64): true,
		"": false, strings.Repeat("a", 65): false, "Main": false, "a b": false, "a/b": false, "ä": false, "..": false,
	} {
		if isBoard(name) != want {
			t.Errorf("isBoard(%q) = %v", name, !want)
		}
	}
}

// FuzzDecode: whatever comes, decode returns, and what it lets through keeps the
// rules that the rest of the server relies on.
func FuzzDecode(f *testing.F) {
	for _, s := range []string{
		goodHello, `{"t":"ping","n":7}`, `{"t":"pong","n":7}`, `{"t":"leave"}`,
		`{"t":"op","seq":18,"k":"create","id":"n_8c1f","f":{"x":80,"y":100,"color":"amber","text":""}}`,
		`{"t":"op","seq":21,"k":"set","id":"n_8c1f","f":{"text":"\ud83d\ude00\ud800"},"textRev":0}`,
		`{"t":"op","seq":22,"k":"front","id":"n_8c1f"}`, `{"t":"op","seq":1,"k":"set","id":"n_1","f":{"x":1e5,"y":-0}}`,
		"{\"t\":\"op\",\"seq\":1,\"\xff\":0}", `[[[[`, `{"\u0074":"leave"}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		m, bad := decode(data)
		if bad != nil {
			if m != nil || bad.code != closeBad && bad.code != closeVersion || len(bad.reason) > 123 || !utf8.ValidString(bad.reason) {
				t.Fatalf("refused with %+v, %+v", m, bad)
			}
			return
		}
		switch m := m.(type) {
		case hello:
			if !isClient(m.client) || !isID(m.user.ID, "u_", 1, 32) || m.first == 0 || m.user.Hue > 359 || !utf8.ValidString(m.user.Name) {
				t.Fatalf("hello %+v", m)
			}
		case operation:
			if m.seq == 0 || m.seq > maxSeq {
				t.Fatalf("operation %+v", m)
			}
			if m.bad == "" && (!isID(m.id, "n_", 1, 32) || math.Abs(m.x) > maxPlace || math.Abs(m.y) > maxPlace ||
				utf8.RuneCountInString(m.text) > maxText || !utf8.ValidString(m.text)) {
				t.Fatalf("operation %+v", m)
			}
		case ping, pong, leave:
		default:
			t.Fatalf("decoded to %T", m)
		}
	})
}

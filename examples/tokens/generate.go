package main

import (
	"context"
	"hash/fnv"
	"iter"
	"math/rand/v2"
	"strings"
	"time"
)

// A Markov chain over a few words. It knows nothing of the prompt but its hash; it is here to have something that takes
// time, gives its result in pieces and can be stopped.
var follows = map[string]string{
	"":           "The A Every",
	"The":        "tide harbour wind lighthouse ship",
	"A":          "gull ship wave",
	"Every":      "tide wave ship",
	"the":        "sand harbour rocks night tide",
	"tide":       "turns rises waits. carries",
	"harbour":    "sleeps. waits. opens",
	"wind":       "turns rises. carries",
	"lighthouse": "turns waits. sleeps.",
	"ship":       "waits turns sleeps.",
	"gull":       "waits. turns rises",
	"wave":       "rises. carries turns",
	"turns":      "and again. toward",
	"rises":      "and over again.",
	"carries":    "the",
	"opens":      "and again.",
	"waits":      "and over for",
	"and":        "waits. turns rises sleeps.",
	"toward":     "the",
	"over":       "the",
	"for":        "the",
	"sand":       "and again.",
	"rocks":      "and again.",
	"night":      "and again.",
}

// sentences is how many an answer has.
const sentences = 8

// every is the same time for each word.
func every(d time.Duration) func(int) time.Duration { return func(int) time.Duration { return d } }

// generate gives an answer word by word, the n-th after the time that thinking about it takes. When the context ends,
// its cause is the error, and nothing goes on.
func generate(ctx context.Context, prompt string, think func(n int) time.Duration) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		h := fnv.New64a()
		_, _ = h.Write([]byte(prompt))
		random := rand.New(rand.NewPCG(h.Sum64(), 0))
		word, done := "", 0
		for n := 0; done < sentences; n++ {
			thought := time.NewTimer(think(n))
			select {
			case <-thought.C:
			case <-ctx.Done():
				thought.Stop()
				yield("", context.Cause(ctx))
				return
			}
			next := strings.Fields(follows[word])
			if len(next) == 0 {
				next = []string{"again."}
			}
			word = next[random.IntN(len(next))]
			text := word + " "
			if strings.HasSuffix(word, ".") {
				word = ""
				done++
			}
			if !yield(text, nil) {
				return
			}
		}
	}
}

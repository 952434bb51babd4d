package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"runtime/debug"

	"github.com/tidewire/tidewire/internal/bench/inproc"
	"github.com/tidewire/tidewire/internal/bench/load"
	"github.com/tidewire/tidewire/internal/bench/proc"
	"github.com/tidewire/tidewire/internal/bench/server"
)

// This program is its own server and load generator: with this first argument, which no person gives, it is one of them.
const childCommand = "child"

const (
	childServe  = "serve"
	childLoad   = "load"
	childInproc = "inproc"
)

// childProcess makes the command of a child. One with a core of its own has one scheduler thread.
func childProcess(ctx context.Context, core int, what string, job any) (*exec.Cmd, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	arg, err := json.Marshal(job)
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, self, childCommand, what, string(arg))
	cmd.Env = os.Environ()
	if core != freely {
		cmd.Env = append(cmd.Env, "GOMAXPROCS=1")
	}
	return cmd, nil
}

// child is the main function of a child.
func child(args []string) {
	if err := runChild(args); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func runChild(args []string) error {
	if len(args) != 2 {
		return fmt.Errorf("child %q", args)
	}
	arg := []byte(args[1])
	answer := json.NewEncoder(os.Stdout)
	switch args[0] {
	case childServe:
		var s server.Spec
		if err := json.Unmarshal(arg, &s); err != nil {
			return err
		}
		return server.Run(s, os.Stdin, os.Stdout)
	case childLoad:
		var j load.Job
		if err := json.Unmarshal(arg, &j); err != nil {
			return err
		}
		if _, err := proc.RaiseFiles(); err != nil {
			return err
		}
		if j.Cert == nil {
			debug.SetGCPercent(-1) // raw sockets make no garbage, and a collection would look like a slow server
		}
		return answer.Encode(load.Run(j))
	case childInproc:
		var j inproc.Job
		if err := json.Unmarshal(arg, &j); err != nil {
			return err
		}
		m, err := inproc.Run(j)
		if err != nil {
			return answer.Encode(load.Result{Error: err.Error()})
		}
		return answer.Encode(load.Result{Metrics: m})
	}
	return fmt.Errorf("child %q", args)
}

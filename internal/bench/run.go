package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os/exec"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/tidewire/tidewire/internal/bench/figure"
	"github.com/tidewire/tidewire/internal/bench/load"
	"github.com/tidewire/tidewire/internal/bench/proc"
	"github.com/tidewire/tidewire/internal/bench/server"
)

// Which core each side has.
const (
	serverCore = 0
	loadCore   = 1
	freely     = -1
)

// trialTimeout ends a trial that hangs.
const trialTimeout = 4 * time.Minute

// runner takes samples.
type runner struct {
	samples  string
	rounds   int
	smoke    bool
	args     []string
	progress io.Writer
}

// run takes the samples of the rows that are named, or of all.
func (r *runner) run(names []string) error {
	if r.smoke {
		r.rounds = 1
	}
	all := rows(r.smoke)
	for _, n := range names {
		if !slices.ContainsFunc(all, func(x row) bool { return x.Name == n }) {
			return fmt.Errorf("no row %q; go run . list tells which there are", n)
		}
	}
	if err := enough(runtime.NumCPU()); err != nil {
		return err
	}
	for i := range all {
		if len(names) > 0 && !slices.Contains(names, all[i].Name) {
			continue
		}
		set, err := r.sample(&all[i])
		if err != nil {
			return fmt.Errorf("%s: %w", all[i].Name, err)
		}
		if r.smoke {
			if err := sound(set); err != nil {
				return fmt.Errorf("%s: %w", all[i].Name, err)
			}
			continue
		}
		if err := set.Save(r.samples); err != nil {
			return err
		}
	}
	return nil
}

// enough tells whether the server and the load generator can have a core each, of those that this process may use.
func enough(cores int) error {
	if cores < 2 {
		return fmt.Errorf("two cores are needed, one for the server and one for the load generator: this process may use %d "+
			"(its affinity, or the cpuset of its cgroup)", cores)
	}
	return nil
}

// sound returns the failures of a set as an error.
func sound(set *figure.Set) error {
	var errs []error
	for _, s := range set.Samples {
		if s.Error != "" {
			errs = append(errs, fmt.Errorf("%s, %s: %s", s.Point, s.Who, s.Error))
		}
	}
	return errors.Join(errs...)
}

// sample asks one row. A contestant that fails has that for a sample; an error means that nothing more can be measured.
func (r *runner) sample(x *row) (*figure.Set, error) {
	set := &figure.Set{Run: r.describe(x)}
	for round := range r.rounds {
		for _, p := range x.points {
			for i := range p.trials {
				t := &p.trials[(i+round)%len(p.trials)]
				m, err := t.measure()
				s := figure.Sample{Point: p.name, Who: t.who, Round: round + 1, Metrics: m}
				if err != nil {
					s.Error, s.Metrics = err.Error(), nil
				}
				fmt.Fprintf(r.progress, "%s %d/%d, %s, %s: %s\n", x.Name, round+1, r.rounds, p.name, t.who, brief(&s))
				set.Samples = append(set.Samples, s)
			}
		}
	}
	// The document lists contestants as they come, so the first round, which nothing has turned, gives the order.
	return set, nil
}

func brief(s *figure.Sample) string {
	if s.Error != "" {
		return "FAILED: " + s.Error
	}
	var b strings.Builder
	for _, k := range slices.Sorted(maps.Keys(s.Metrics)) {
		fmt.Fprintf(&b, "%s=%.4g ", k, s.Metrics[k])
	}
	return strings.TrimSpace(b.String())
}

// describe says where, when and with what.
func (r *runner) describe(x *row) figure.Run {
	run := figure.Run{
		Row: x.Name, Date: time.Now().UTC().Format(time.RFC3339), Command: "go run . " + strings.Join(r.args, " "),
		Commit: commit(), Go: runtime.Version() + " " + runtime.GOOS + "/" + runtime.GOARCH, Rounds: r.rounds, Smoke: r.smoke,
		Modules: map[string]string{}, Params: map[string]int{},
	}
	run.Machine.CPU, run.Machine.Cores, run.Machine.Memory, run.Machine.Kernel = proc.Machine()
	for _, p := range x.points {
		for _, t := range p.trials {
			if t.inproc != nil {
				run.Params["duration_ms"] = t.inproc.DurationMS
			} else {
				run.Params["duration_ms"] = cmp.Or(t.job.DurationMS, t.job.SettleMS)
			}
		}
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, d := range info.Deps {
			if d.Replace == nil && !strings.HasPrefix(d.Path, "golang.org/x/") {
				run.Modules[d.Path] = d.Version
			}
		}
	}
	return run
}

// commit is the commit that is checked out, with "-dirty" where files differ from it, samples and results aside.
func commit() string {
	head, err := exec.Command("git", "rev-parse", "--short=12", "HEAD").Output()
	if err != nil {
		return "unknown"
	}
	c := string(bytes.TrimSpace(head))
	out, err := exec.Command("git", "status", "--porcelain", "--", ":/", ":(exclude)samples", ":(exclude)RESULTS.md").Output()
	if err != nil || len(bytes.TrimSpace(out)) > 0 {
		c += "-dirty"
	}
	return c
}

// measure runs the trial in processes of its own.
func (t *trial) measure() (map[string]float64, error) {
	ctx, cancel := context.WithTimeout(context.Background(), trialTimeout)
	defer cancel()
	if t.inproc != nil {
		core := serverCore
		if t.free {
			core = freely
		}
		return result(ctx, core, childInproc, t.inproc)
	}
	srv, ready, err := startServer(ctx, t.server)
	if err != nil {
		return nil, err
	}
	job := t.job
	job.Addr, job.Control, job.Cert, job.PID = ready.Addr, ready.Control, ready.Cert, srv.cmd.Process.Pid
	m, err := result(ctx, loadCore, childLoad, job)
	return m, errors.Join(err, srv.stop(err))
}

// result runs a child to its end and returns what it found.
func result(ctx context.Context, core int, what string, job any) (map[string]float64, error) {
	cmd, err := childProcess(ctx, core, what, job)
	if err != nil {
		return nil, err
	}
	var out, diag bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &diag
	if err := proc.Start(cmd, core); err != nil {
		return nil, err
	}
	if err := cmd.Wait(); err != nil {
		return nil, fmt.Errorf("%s: %w: %s", what, err, tail(&diag))
	}
	var res load.Result
	if err := json.Unmarshal(out.Bytes(), &res); err != nil {
		return nil, fmt.Errorf("%s: %w: %.200q %s", what, err, out.Bytes(), tail(&diag))
	}
	if res.Error != "" {
		return nil, errors.New(res.Error)
	}
	return res.Metrics, nil
}

func tail(b *bytes.Buffer) string {
	s := strings.TrimSpace(b.String())
	return s[max(0, len(s)-2000):]
}

// serverProcess is a server that runs.
type serverProcess struct {
	cmd   *exec.Cmd
	stdin io.Closer
	diag  bytes.Buffer
}

func startServer(ctx context.Context, s server.Spec) (*serverProcess, *server.Ready, error) {
	cmd, err := childProcess(ctx, serverCore, childServe, s)
	if err != nil {
		return nil, nil, err
	}
	p := &serverProcess{cmd: cmd}
	cmd.Stderr = &p.diag
	if p.stdin, err = cmd.StdinPipe(); err != nil {
		return nil, nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, nil, err
	}
	if err := proc.Start(cmd, serverCore); err != nil {
		return nil, nil, err
	}
	ready := &server.Ready{}
	if err := json.NewDecoder(out).Decode(ready); err != nil {
		return nil, nil, errors.Join(fmt.Errorf("server %s: %w", s.Kind, err), p.stop(err))
	}
	return p, ready, nil
}

// stop ends the server. Where something has gone wrong before, what the server printed is told as well.
func (p *serverProcess) stop(failed error) error {
	p.stdin.Close()
	timer := time.AfterFunc(10*time.Second, func() { p.cmd.Process.Kill() })
	defer timer.Stop()
	err := p.cmd.Wait()
	if failed != nil && p.diag.Len() > 0 {
		return errors.Join(err, fmt.Errorf("server: %s", tail(&p.diag)))
	}
	return err
}

package proc

import (
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestCPUOfThisProcessGrowsAndIsRusage(t *testing.T) {
	var r unix.Rusage
	before, err := CPU(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	x := 0
	for range 50_000_000 {
		x++
	}
	if err := unix.Getrusage(unix.RUSAGE_SELF, &r); err != nil {
		t.Fatal(err)
	}
	after, err := CPU(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	usage := r.Utime.Nano() + r.Stime.Nano()
	if int64(before) > usage || usage > int64(after) || before >= after {
		t.Errorf("CPU clock %v, then getrusage %d ns, then %v (%d)", before, usage, after, x)
	}
}

func TestRSSSeesMemoryThatIsTouched(t *testing.T) {
	before, err := RSS(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 64<<20)
	for i := 0; i < len(b); i += 4096 {
		b[i] = 1
	}
	after, err := RSS(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if after-before < 48<<20 || b[0] != 1 {
		t.Errorf("RSS %d before and %d after 64 MiB", before, after)
	}
}

func TestStartPinsTheChildAndNotUs(t *testing.T) {
	var was, is unix.CPUSet
	if err := unix.SchedGetaffinity(0, &was); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("grep", "Cpus_allowed_list", "/proc/self/status")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := Start(cmd, 0); err != nil {
		t.Fatal(err)
	}
	b, _ := io.ReadAll(out)
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	if f := strings.Fields(string(b)); len(f) != 2 || f[1] != "0" {
		t.Errorf("the child says %q", b)
	}
	if err := unix.SchedGetaffinity(0, &is); err != nil {
		t.Fatal(err)
	}
	if was != is {
		t.Errorf("our own cores were %v and are %v", was, is)
	}
}

func TestMachineIsKnown(t *testing.T) {
	cpu, cores, memory, kernel := Machine()
	if cpu == "" || cores < 1 || memory == "" || !strings.HasPrefix(kernel, "Linux ") {
		t.Errorf("%q, %d, %q, %q", cpu, cores, memory, kernel)
	}
}

package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// runRole is the entry of the child processes: this same program.
func runRole(role string, args []string) error {
	switch {
	case role == "receiver" && len(args) == 0:
		return runReceiver()
	case role == "yardstick" && len(args) == 2:
		n, err := strconv.Atoi(args[1])
		if err != nil {
			return err
		}
		return runYardstick(args[0], n)
	case role == "load" && len(args) == 0:
		return runLoad()
	}
	return errors.New("unknown role")
}

// child is a role that serves until its standard input is closed.
type child struct {
	Pid   int
	Addr  string
	cmd   *exec.Cmd
	stdin io.Closer
}

func startChild(args ...string) (*child, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self, append([]string{"role"}, args...)...)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	c := &child{Pid: cmd.Process.Pid, cmd: cmd, stdin: stdin}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		c.stop()
		return nil, fmt.Errorf("the %s did not say its address: %w", args[0], err)
	}
	c.Addr = strings.TrimSpace(line)
	return c, nil
}

func (c *child) stop() {
	c.stdin.Close()
	timer := time.AfterFunc(3*time.Second, func() { _ = c.cmd.Process.Kill() })
	_ = c.cmd.Wait()
	timer.Stop()
}

// runLoader runs the client process to its end.
func runLoader(spec loadSpec) (loadResult, error) {
	var res loadResult
	self, err := os.Executable()
	if err != nil {
		return res, err
	}
	in, err := json.Marshal(spec)
	if err != nil {
		return res, err
	}
	cmd := exec.Command(self, "role", "load")
	cmd.Stdin = strings.NewReader(string(in))
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return res, fmt.Errorf("the client: %w", err)
	}
	return res, json.Unmarshal(out, &res)
}

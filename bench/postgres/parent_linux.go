package postgres

import "syscall"

// dieWithParent stops the server where the process that started it is killed.
func dieWithParent(a *syscall.SysProcAttr) { a.Pdeathsig = syscall.SIGQUIT }

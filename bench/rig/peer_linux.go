package rig

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// Peer is which of some processes of this machine holds the other end of a TCP
// connection; 0: none of them, or it is gone.
func Peer(c net.Conn, pids []int) int {
	remote, err1 := netip.ParseAddrPort(c.RemoteAddr().String())
	local, err2 := netip.ParseAddrPort(c.LocalAddr().String())
	if err1 != nil || err2 != nil {
		return 0
	}
	inode, err := socketInode(remote, local)
	if err != nil {
		return 0
	}
	return holder(inode, pids)
}

// Holder is which of some processes holds a socket with a name in the abstract
// namespace; 0: none of them.
func Holder(name string, pids []int) int {
	table, _ := os.ReadFile("/proc/net/unix")
	for line := range strings.Lines(string(table)) {
		f := strings.Fields(line)
		if len(f) == 8 && f[7] == name {
			inode, _ := strconv.ParseUint(f[6], 10, 32)
			return holder(uint32(inode), pids)
		}
	}
	return 0
}

// holder finds a socket among the open files of processes.
func holder(inode uint32, pids []int) int {
	want := fmt.Sprintf("socket:[%d]", inode)
	for _, pid := range pids {
		dir := fmt.Sprintf("/proc/%d/fd/", pid)
		files, _ := os.ReadDir(dir)
		for _, f := range files {
			if to, err := os.Readlink(dir + f.Name()); err == nil && to == want {
				return pid
			}
		}
	}
	return 0
}

// What netlink asks about one socket, from linux/sock_diag.h and
// linux/inet_diag.h.
const (
	sockDiag         = 4  // NETLINK_SOCK_DIAG
	sockDiagByFamily = 20 // SOCK_DIAG_BY_FAMILY
	diagRequest      = 56 // size of inet_diag_req_v2
	diagInode        = 68 // offset in inet_diag_msg
)

// socketInode asks the kernel for the socket that one end of a TCP connection
// over IPv4 is.
func socketInode(end, other netip.AddrPort) (uint32, error) {
	fd, err := syscall.Socket(syscall.AF_NETLINK, syscall.SOCK_DGRAM|syscall.SOCK_CLOEXEC, sockDiag)
	if err != nil {
		return 0, err
	}
	defer func() { _ = syscall.Close(fd) }()
	var b bytes.Buffer
	put := func(v any) { _ = binary.Write(&b, binary.NativeEndian, v) }
	put([]uint32{syscall.NLMSG_HDRLEN + diagRequest})
	put([]uint16{sockDiagByFamily, syscall.NLM_F_REQUEST})
	put([]uint32{1, 0})
	put([]uint8{syscall.AF_INET, syscall.IPPROTO_TCP, 0, 0})
	put(^uint32(0)) // in any state
	_ = binary.Write(&b, binary.BigEndian, []uint16{end.Port(), other.Port()})
	for _, a := range []netip.Addr{end.Addr().Unmap(), other.Addr().Unmap()} {
		four := a.As4()
		b.Write(four[:])
		b.Write(make([]byte, 12))
	}
	put([]uint32{0, ^uint32(0), ^uint32(0)}) // any interface, no cookie
	if err := syscall.Sendto(fd, b.Bytes(), 0, &syscall.SockaddrNetlink{Family: syscall.AF_NETLINK}); err != nil {
		return 0, err
	}
	answer := make([]byte, 4096)
	n, _, err := syscall.Recvfrom(fd, answer, 0)
	if err != nil {
		return 0, err
	}
	if n < syscall.NLMSG_HDRLEN+diagInode+4 || binary.NativeEndian.Uint16(answer[4:]) != sockDiagByFamily {
		return 0, syscall.ENOENT
	}
	return binary.NativeEndian.Uint32(answer[syscall.NLMSG_HDRLEN+diagInode:]), nil
}

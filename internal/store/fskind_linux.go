package store

import "golang.org/x/sys/unix"

// Magic numbers of file systems that are no place for the database: statfs(2).
var unfit = map[int64]string{
	0x6969:     "NFS",
	0xff534d42: "CIFS",
	0xfe534d42: "SMB2",
	0x517b:     "SMB",
	0x01021997: "9P",
	0x65735546: "FUSE",
	0x794c7630: "overlayfs",
	0x01021994: "tmpfs",
	0x858458f6: "ramfs",
}

// unfitFileSystem names the file system of a directory where it does not keep
// what it says it kept, or does not share memory between connections; "": fit
// as far as can be told.
func unfitFileSystem(dir string) string {
	var st unix.Statfs_t
	if unix.Statfs(dir, &st) != nil {
		return ""
	}
	return unfit[int64(uint32(st.Type))] // the type differs between architectures; magic numbers have 32 bits
}

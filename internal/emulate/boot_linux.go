package main

import (
	"fmt"
	"os"
	"syscall"
)

// mounts makes what Go programs and their tests expect to find.
func mounts() error {
	for _, fs := range [][2]string{{"proc", "/proc"}, {"sysfs", "/sys"}, {"devtmpfs", "/dev"}, {"tmpfs", "/tmp"}} {
		if err := os.MkdirAll(fs[1], 0o755); err != nil {
			return err
		}
		if err := syscall.Mount(fs[0], fs[1], fs[0], 0, ""); err != nil {
			return fmt.Errorf("mount %s: %w", fs[1], err)
		}
	}
	return nil
}

func powerOff() error { return syscall.Reboot(syscall.LINUX_REBOOT_CMD_POWER_OFF) }

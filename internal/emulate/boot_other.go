//go:build !linux

package main

import "errors"

var errNotLinux = errors.New("only Linux is booted")

func mounts() error { return errNotLinux }

func powerOff() error { return errNotLinux }

#!/usr/bin/env bash
# Run test programs on an emulated processor that has AVX-512, VNNI and VPOPCNTDQ, for machines that lack them:
#
#	scripts/emulate.sh LEVELS PACKAGE...        for example: scripts/emulate.sh avx512,vnni ./accel ./quant
#
# Bochs (Debian's) plays the computer: a Debian kernel and the static test programs, nothing else. Each package's tests run once a
# level, -test.short; RUN narrows them (a regular expression, as of go test -run) and SKIP leaves some out. LIMIT is the seconds after
# which the emulator is stopped. The kernel is kept in bin/emulate; no root is needed, no KVM, and nothing is installed.
set -euo pipefail
cd "$(dirname "$0")/.."
levels=${1:?levels, such as avx512,vnni}
shift
[ $# -gt 0 ] || { echo "no packages" >&2; exit 2; }
limit=${LIMIT:-1800}
share=${BXSHARE:-/usr/share/bochs}

missing=()
need() { [ -e "$1" ] || command -v "$1" >/dev/null || missing+=("$2"); }
need bochs-bin bochs
need "$share/BIOS-bochs-latest" bochsbios
need "$share/VGABIOS-lgpl-latest" vgabios
need /usr/lib/x86_64-linux-gnu/bochs/plugins/libbx_term_gui.so bochs-term
need /usr/lib/ISOLINUX/isolinux.bin isolinux
need /usr/lib/syslinux/modules/bios/ldlinux.c32 syslinux-common
need genisoimage genisoimage
need cpio cpio
need script bsdutils
if [ ${#missing[@]} -gt 0 ]; then
	echo "emulation needs packages of Debian: apt-get install --no-install-recommends ${missing[*]}" >&2
	exit 2
fi

work=$(mktemp -d)
cleanup() {
	[ ! -f "$work/pid" ] || kill -9 "$(cat "$work/pid")" 2>/dev/null || true
	rm -rf "$work"
}
trap cleanup EXIT

# The kernel: a package's file, not installed.
kernel=bin/emulate/vmlinuz
if [ ! -f $kernel ]; then
	mkdir -p bin/emulate
	name=$(apt-cache depends linux-image-cloud-amd64 | awk '/Depends: linux-image-/ {print $2; exit}')
	[ -n "$name" ] || { echo "no kernel: apt-cache knows no linux-image-cloud-amd64 (apt-get update?)" >&2; exit 2; }
	echo "kernel: $name"
	(cd "$work" && apt-get download -qq "$name" 2>/dev/null && dpkg-deb -x ./*.deb kernel)
	cp "$work"/kernel/boot/vmlinuz-* $kernel.part && mv $kernel.part $kernel
fi

# The disk: the first process, the tests with their testdata, and what to run. Bochs 2.7 computes something of the AVX-512 code in Go's
# newest garbage collector wrongly, and programs die of it; the collector before it has none.
root=$work/root
mkdir -p "$root/dev" "$work/iso"
export CGO_ENABLED=0 GOOS=linux GOARCH=amd64 GOEXPERIMENT=nogreenteagc
go build -ldflags '-s -w' -o "$root/init" ./internal/emulate
for pkg in "$@"; do
	dir=${pkg#./}
	mkdir -p "$root/$dir"
	go test -c -ldflags '-s -w' -o "$root/$dir/test" "./$dir"
	[ -f "$root/$dir/test" ] || { echo "$pkg has no tests" >&2; exit 2; }
	[ ! -d "$dir/testdata" ] || cp -r "$dir/testdata" "$root/$dir/"
	for level in ${levels//,/ }; do
		echo "ENGRAM_ACCEL=$level ENGRAM_TEST_LEVELS=$level /$dir/test -test.short -test.v${RUN:+ -test.run=$RUN}${SKIP:+ -test.skip=$SKIP}"
	done >>"$root/jobs"
done
(cd "$root" && find . | cpio -o -H newc -R 0:0 --quiet) >"$work/iso/initrd"
cp $kernel "$work/iso/vmlinuz"
cp /usr/lib/ISOLINUX/isolinux.bin /usr/lib/syslinux/modules/bios/ldlinux.c32 "$work/iso/"
# What the kernel must not use, because this model of processor has it half: protection keys (515) and compact register
# saves (321, 323) have wrong sizes, the clock of the cores (124) is missing, and short moves (580) come without the long ones.
cat >"$work/iso/isolinux.cfg" <<EOF
DEFAULT engram
LABEL engram
 KERNEL vmlinuz
 INITRD initrd
 APPEND console=ttyS0,115200 loglevel=3 clearcpuid=515,321,323,124,580 maxcpus=1 mitigations=off tsc=reliable random.trust_cpu=on panic=-1
EOF
genisoimage -quiet -o "$work/boot.iso" -b isolinux.bin -c boot.cat -no-emul-boot -boot-load-size 4 -boot-info-table -J -R "$work/iso"

# The computer. It ends itself when the power goes off, which Bochs calls a panic.
cat >"$work/bochsrc" <<EOF
display_library: term
romimage: file=$share/BIOS-bochs-latest
vgaromimage: file=$share/VGABIOS-lgpl-latest
cpu: model=corei7_icelake_u, count=1, ips=200000000, reset_on_triple_fault=0
memory: guest=2048, host=2048
clock: sync=none
ata0: enabled=1, ioaddr1=0x1f0, ioaddr2=0x3f0, irq=14
ata0-master: type=cdrom, path=$work/boot.iso, status=inserted
boot: cdrom
com1: enabled=1, mode=file, dev=$work/serial
log: $work/log
panic: action=fatal
error: action=ignore
info: action=ignore
EOF
echo c >"$work/debugger" # Debian's Bochs starts in its debugger: continue
cat >"$work/go" <<EOF
echo \$\$ >'$work/pid'
exec bochs-bin -q -f '$work/bochsrc' -rc '$work/debugger'
EOF
: >"$work/serial"
started=$SECONDS
TERM=xterm timeout -s KILL "$limit" script -qfc "sh '$work/go'" /dev/null >/dev/null 2>&1 </dev/null &
emulator=$!
tail --pid=$emulator -n +1 -f "$work/serial" | sed -u 's/\r//g; s/\x1b\[[0-9;]*[A-Za-z]//g'
wait $emulator || true
echo "emulated for $((SECONDS - started)) seconds"
mark=$(tr -d '\r' <"$work/serial" | sed -n 's/^emulate: exit \([0-9]*\)$/\1/p' | tail -1)
if [ -z "$mark" ]; then
	echo "the emulated machine did not finish within $limit seconds, or died:" >&2
	tail -20 "$work/log" >&2 || true
	exit 1
fi
exit "$mark"

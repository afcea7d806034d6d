# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# The architecture of the virtual machine, by Debian's name for it: ARCH, amd64 or arm64. By default
# it is that of the kernel KERNEL, or else the host's. For an architecture that is not the host's,
# the kernel, the module and the programs are cross-compiled, and QEMU emulates the processor.

# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

host_arch=amd64
[[ $(uname -m) != aarch64 ]] || host_arch=arm64
case ${KERNEL-} in
*+*-arm64*) arch=arm64 ;;
*+*-amd64*) arch=amd64 ;;
*) arch=${ARCH:-$host_arch} ;;
esac
[[ ${ARCH:-$arch} == "$arch" ]] || die "KERNEL=$KERNEL is a kernel for $arch, not for ARCH=$ARCH"

# shellcheck disable=SC2034 # The scripts that source this file use these.
case $arch in
amd64) kernel_arch=x86_64 gnu=x86-64-linux-gnu triplet=x86_64-linux-gnu qemu_package=qemu-system-x86 ;;
arm64) kernel_arch=arm64 gnu=aarch64-linux-gnu triplet=$gnu qemu_package=qemu-system-arm ;;
*) die "ARCH=$arch is neither amd64 nor arm64" ;;
esac

# The prefix of the cross compiler's programs; empty for the host's architecture.
cross=
# shellcheck disable=SC2034 # As above.
[[ $arch == "$host_arch" ]] || cross=$triplet-

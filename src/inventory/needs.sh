sockets=
# What the machine offers: need_program NAME, …
# need_sysctl FILE…: kernel settings. A shell may read byte by byte, and of these files the kernel gives no more than the
# first piece; so a program reads them.
need_sysctl() {
    [ $# -gt 0 ] || return 0
    told=$(grep -Hs '' -- "$@") || :
    set -f
    old=$IFS
    IFS=$nl
    for line in $told; do
        path=${line%%:*}
        say "sysctl ${path#/proc/sys/} ${line#*:}"
    done
    IFS=$old
    set +f
}
# need_kept FILE: what a file of ours keeps for the next boot
need_kept() {
    [ -f "$1" ] && [ -r "$1" ] || return 0
    say keeps
    while IFS= read -r value || [ -n "$value" ]; do
        case $value in
        '' | '#'*) ;;
        *[!a-z0-9._=/-]*) say 'kept other' ;;
        *) say "kept $value" ;;
        esac
    done <"$1"
}
need_openfiles() {
    # What a shell itself says needs no process.
    flush
    printf 'openfiles '
    ulimit -H -n 2>/dev/null || say unknown
}
need_lockedmemory() {
    flush
    printf 'lockedmemory '
    ulimit -H -l 2>/dev/null || say unknown
}
need_swap() {
    value=off
    { while read -r key _; do case $key in Filename | '') ;; *) value=on ;; esac; done; } 2>/dev/null </proc/swaps && say "swap $value"
}
need_hugepages() {
    value=
    { IFS= read -r value || :; } 2>/dev/null </sys/kernel/mm/transparent_hugepage/enabled && say "hugepages $value"
}
need_program() { if command -v "$1" >/dev/null 2>&1; then say "program $1 yes"; else say "program $1 no"; fi; }
# need_installer: whether `install_packages` of ours knows a package manager that is there
need_installer() {
    for name in apt-get dnf yum apk; do
        if command -v "$name" >/dev/null 2>&1; then say 'installer yes' && return 0; fi
    done
    say 'installer no'
}
need_capabilities() {
    while read -r key value; do [ "$key" = CapEff: ] && say "capabilities $value" && break; done </proc/self/status
}

# need_room PREFIX FOLDER…: KiB that are free where the prefix is, when any of this software is still to be unpacked there
need_room() {
    at=$1
    shift
    for name; do
        [ ! -d "$at/software/$name" ] || continue
        while [ ! -d "$at" ] && [ -n "${at#/}" ]; do at=${at%/*}; done
        told=$(df -Pk "${at:-/}" 2>/dev/null) || return 0
        set -f
        set -- ${told##*"$nl"}
        set +f
        case ${4-} in '' | *[!0-9]*) ;; *) say "free $4" ;; esac
        return 0
    done
}

# need_binds ROLE PATTERN: what an instance would listen to, unless it runs; need_listening: who does so now
need_binds() {
    case " $lives " in *" $1 "*) ;; *) sockets=${sockets:+$sockets|}$2 ;; esac
}
need_listening() {
    [ -n "$sockets" ] || return 0
    told=$(grep -hoE " ($sockets) [0-9A-F]+:0000 0A " /proc/net/tcp /proc/net/tcp6 2>/dev/null) || return 0
    for word in $told; do
        case $word in *:0000) ;; *:*) say "taken ${word##*:}" ;; esac
    done
}

# need_finds ROLE NAME FILE…: whether there is any such file
need_finds() {
    [ ! -e "$3" ] && [ ! -L "$3" ] || say "found $1 $2"
}

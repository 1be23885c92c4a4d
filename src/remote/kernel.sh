# Kernel settings, after the functions of change.sh. The file is outside the prefix, and one that the plan lists.

# keep_settings FILE: standard input becomes the file; without any it is gone
keep_settings() {
    is_root || die "only root may set what the kernel does, and we are $(id -un)"
    folder=${1%/*}
    aside="$folder/.tmp-${1##*/}"
    rm -f -- "$aside"
    mkdir -p -- "$folder"
    # Never through a link that somebody has put there.
    (set -C && cat >"$aside")
    whole "$aside"
    chmod 644 "$aside"
    if [ -s "$aside" ]; then
        settle "$aside"
        mv -f -- "$aside" "$1"
    else
        rm -f -- "$aside" "$1"
    fi
    settle "$folder"
}

# set_kernel FILE VALUE: what is there afterwards is looked at; some kernels take a write and leave it as it was
set_kernel() {
    [ -e "$1" ] || die "$1: this kernel has no such setting"
    # In braces, so that what the shell says of a file that it can't open is not all that is said.
    { printf '%s\n' "$2" >"$1"; } 2>/dev/null || die "$1 can't be set to $2: is it writable on this machine?"
    value=$(cat -- "$1")
    [ "$value" = "$2" ] || die "$1 is $value after it was set to $2"
}

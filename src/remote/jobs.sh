# job NAME USER LIMIT WORD…: a command in a folder of its own, filled from a tar on standard input; nothing of it stays. What it
# prints, at most the last LIMIT bytes, is followed by a line with its exit status.
job() {
    at=run/$1 user=$2 limit=$3
    shift 3
    # Held by the command, too: one that outlives us is not started a second time.
    exec 9>>"run/.${at#run/}.lock"
    flock -n 9 || die "it still runs, or what it has started does: look at the processes of run/.${at#run/}.lock"
    rm -rf -- "$at" "$at.code"
    mkdir -m 700 -- "$at"
    cd -- "$at"
    whole=$(pwd)
    trap 'cd / && rm -rf -- "$whole" "$whole.code"' EXIT
    cat >.sent
    whole .sent
    tar -xpof .sent
    rm -f -- .sent
    if [ -n "$user" ] && is_root; then
        chown -hR -- "$user:$(id -gn -- "$user")" .
        set -- setpriv "--reuid=$user" "--regid=$(id -g -- "$user")" --init-groups "$@"
    fi
    { code=0; "$@" 2>&1 </dev/null 8>&- || code=$?; printf '%s\n' "$code" >&8; } 8>"$whole.code" | tail -c "$limit"
    printf '\n%s\n' "$(cat -- "$whole.code")"
}

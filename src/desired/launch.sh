
say() { printf '%s\n' "$*" >&2; }
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export PATH
set -u

# Stopped on purpose: it stays stopped. (Rolled back on purpose: it runs.)
if [ -e "$held" ]; then
    case $(cat "$held") in
    *'"what":"rolled-back"'* | *'"what": "rolled-back"'*) ;;
    *) say "it is held: see $held" && exit 0 ;;
    esac
fi

boot_id=
IFS= read -r boot_id </proc/sys/kernel/random/boot_id

# start_time PID: when a living process was started, in clock ticks since boot.
start_time() {
    stat=
    { while IFS= read -r part; do stat="$stat $part"; done <"/proc/$1/stat"; } 2>/dev/null || return 1
    # The second field is a name in parentheses, in which anything may be.
    set -f
    # shellcheck disable=SC2086
    set -- ${stat##*)}
    case ${1:-Z} in Z | X) return 1 ;; esac
    [ $# -ge 20 ] && printf '%s' "${20}"
}

# A process that lost its supervisor lives on: two on the same data must never be.
if [ -r "$record" ]; then
    old_pid= old_start= old_boot=
    while IFS='=' read -r key value; do
        case $key in
        pid) old_pid=$value ;;
        start_time) old_start=$value ;;
        boot_id) old_boot=$value ;;
        esac
    done <"$record"
    case $old_pid in
    '' | *[!0-9]* | "$$") ;;
    *)
        if [ "$old_boot" = "$boot_id" ] && [ -n "$old_start" ] && [ "$(start_time "$old_pid")" = "$old_start" ]; then
            say "it runs already, as process $old_pid" && exit 0
        fi
        ;;
    esac
fi

# raise FLAG NUMBER: as far as it is allowed; never lowered.
raise() {
    now=$(ulimit -S "$1")
    { [ "$now" = unlimited ] || [ "$now" -ge "$2" ]; } && return 0
    ulimit -S "$1" "$2" 2>/dev/null || ulimit "$1" "$2" 2>/dev/null || ulimit -S "$1" "$(ulimit -H "$1")" || :
}
[ -z "$nofile" ] || raise -n "$nofile"
if [ -n "$nproc" ]; then
    # Shells do not agree on the letter.
    if (ulimit -S -u) >/dev/null 2>&1; then raise -u "$nproc"; else raise -p "$nproc"; fi
fi
[ -z "$memlock" ] || ulimit -l "$memlock" 2>/dev/null || ulimit -S -l "$(ulimit -H -l)" || :

generation=
IFS= read -r generation <"$generation_file" || { say "$generation_file can't be read" && exit 1; }
umask 022
printf 'pid=%s\nstart_time=%s\nboot_id=%s\nrestart_generation=%s\n' "$$" "$(start_time "$$")" "$boot_id" "$generation" \
    >"$aside" && mv -f "$aside" "$record" || { say "$record can't be written" && exit 1; }

# become WORD…: the service's own user, with what it prints in its own log (the supervisor may die without it), the rest
# of the script being the command. Its input stays what it is: supervisord polls the other end of a pipe that it had polled
# as another descriptor before, and turns without end when nobody has this one (seen with 4.3.0).
become() {
    set -- /bin/sh -c 'umask 027
        size=$(wc -c 2>/dev/null <"$0") && [ "$size" -gt "$1" ] && mv -f "$0" "$0.1"
        shift
        exec >>"$0" 2>&1 && exec "$@"' "$console" "$console_limit" "$@"
    if [ -n "$user" ] && [ "$(id -u)" = 0 ]; then
        group=$(id -g "$user") || { say "there is no user $user" && exit 1; }
        set -- setpriv "--reuid=$user" "--regid=$group" --init-groups "$@"
    fi
    exec "$@"
}
cd "$folder" || exit 1
service

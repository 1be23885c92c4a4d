
say() { printf '%s\n' "$*" >&2; }
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export PATH
set -u
umask 022
# How long it is tried to bring everything up, how often it is looked, and for how many looks all of it has to run.
limit=3600 pause=5 calm=6

boot_id=
IFS= read -r boot_id </proc/sys/kernel/random/boot_id

# start_time PID: when a living process was started, in clock ticks since boot.
start_time() {
    stat=
    { while IFS= read -r part; do stat="$stat $part"; done <"/proc/$1/stat"; } 2>/dev/null || return 1
    set -f
    # shellcheck disable=SC2086
    set -- ${stat##*)}
    set +f
    case ${1:-Z} in Z | X) return 1 ;; esac
    [ $# -ge 20 ] && printf '%s' "${20}"
}

# runs ROLE: the recorded process is there
runs() {
    [ -r "run/$1.proc" ] || return 1
    pid= started= booted=
    while IFS='=' read -r key value; do
        case $key in pid) pid=$value ;; start_time) started=$value ;; boot_id) booted=$value ;; esac
    done <"run/$1.proc"
    case $pid in '' | *[!0-9]*) return 1 ;; esac
    [ "$booted" = "$boot_id" ] && [ -n "$started" ] && [ "$(start_time "$pid")" = "$started" ]
}

# wanted ROLE: it has a generation, and nobody has stopped it on purpose (what was rolled back runs)
wanted() {
    [ -r "conf/$1/current/launch" ] || return 1
    [ -e "run/$1.held" ] || return 0
    case $(cat "run/$1.held") in *'"what":"rolled-back"'* | *'"what": "rolled-back"'*) return 0 ;; *) return 1 ;; esac
}

# own_pid: the process id of the supervisor below the prefix, if it runs
own_pid() {
    pid=
    [ -r "$pidfile" ] && { IFS= read -r pid <"$pidfile" || :; }
    case $pid in '' | *[!0-9]*) return 1 ;; esac
    tr '\000' '\n' 2>/dev/null <"/proc/$pid/cmdline" | grep -qxF -- "$config"
}

begin_own() {
    own_pid && return 0
    rm -f -- "$socket"
    # What it was started with, for whoever looks at it.
    sum=$(sha256sum <"$config") && printf '%s\n%s\n' "${sum%% *}" "$version" >run/.tmp-supervisord.config &&
        mv -f run/.tmp-supervisord.config run/supervisord.config
    (cd / && supervise) </dev/null >run/supervisord.out 2>&1
    tries=0
    until [ -S "$socket" ] || [ "$tries" -ge 30 ]; do tries=$((tries + 1)) && sleep 1; done
}

end_own() {
    while own_pid; do
        kill -s TERM "$pid"
        # A second word could hurt what is ending.
        while own_pid; do sleep 1; done
    done
}

start_unit() { systemctl reset-failed "$1" 2>/dev/null; systemctl start --no-block "$1"; }

now() { read -r up _ </proc/uptime && printf '%s' "${up%.*}"; }

# missing: names what should run and does not, in the order of the services
missing() {
    for role in $roles; do
        ! wanted "$role" || runs "$role" || printf '%s ' "$role"
    done
}

start_missing() {
    begin
    for role in $(missing); do
        say "starting $role"
        # Its generation says who runs it.
        if [ -e "conf/$role/current/systemd.service" ]; then start_unit "$units:$role.service"; else start "$role"; fi
    done >&2
}

cd "$prefix" || exit 1
[ "${1:-start}" = stop ] && { end; exit 0; }
command -v flock >/dev/null || { say 'there is no program flock' && exit 1; }
until=$(($(now) + limit)) looks=0
while [ "$looks" -lt "$calm" ]; do
    looks=$((looks + 1))
    if [ -n "$(missing)" ]; then
        looks=0
        # Only one at a time starts or stops something here.
        exec 9>>run/lock
        flock -n 9 || { say 'a run of es_cluster is at work here: what starts is its to say' && exit 0; }
        printf '{"who":"the boot of this host","why":"bin/boot","since":"%s"}\n' "$(date -u +%Y-%m-%dT%H:%M:%SZ)" \
            >run/.tmp-lock.owner &&
            mv -f run/.tmp-lock.owner run/lock.owner
        start_missing 9>&-
        rm -f run/lock.owner
        exec 9>&-
    fi
    [ "$(now)" -lt "$until" ] || { say "not everything runs after $limit s: see esplan" && exit 1; }
    sleep "$pause"
done

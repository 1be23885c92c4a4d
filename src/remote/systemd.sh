# What only systemd needs, after the functions of change.sh. Units are outside the prefix: each is a file that the plan lists.
units=/etc/systemd/system

may_write_units() {
    [ -d /run/systemd/system ] || die "systemd does not run here: nothing is there to take a unit"
    is_root || die "only root may write a unit, and we are $(id -un): connect as root, or as a user with sudo"
}

# write_unit NAME: standard input becomes the unit; nothing happens when it is that already
write_unit() {
    aside="$units/.tmp-$1"
    rm -f -- "$aside"
    # Never through a link that somebody has put there.
    (set -C && cat >"$aside")
    whole "$aside"
    chmod 644 "$aside"
    if cmp -s -- "$aside" "$units/$1"; then
        rm -f -- "$aside"
        return 0
    fi
    settle "$aside"
    mv -f -- "$aside" "$units/$1"
    settle "$units"
    systemctl daemon-reload
}

remove_unit() {
    [ -e "$units/$1" ] || [ -L "$units/$1" ] || return 0
    rm -f -- "$units/$1" "$units/.tmp-$1"
    settle "$units"
    systemctl daemon-reload
}

# take_unit ROLE GENERATION NAME: the unit is as the generation says; where that has none, there is none
take_unit() {
    if [ -f "conf/$1/$2/systemd.service" ]; then
        ! cmp -s -- "conf/$1/$2/systemd.service" "$units/$3" || return 0
        may_write_units
        sent=$(($(wc -c <"conf/$1/$2/systemd.service")))
        write_unit "$3" <"conf/$1/$2/systemd.service"
    elif [ -d /run/systemd/system ] && is_root; then
        remove_unit "$3"
    fi
}

# take_boot NAME START: standard input becomes the unit that starts everything at boot; `yes`: it is to be active from now
# on, so that what it stops at the end is stopped. A run is at work, so it starts nothing.
take_boot() {
    may_write_units
    write_unit "$1"
    systemctl --quiet enable -- "$1" 2>/dev/null || die "$1 can't be enabled"
    [ "$2" != yes ] || systemctl start --no-block -- "$1"
}

# drop_boot NAME: what it has started goes on
drop_boot() {
    [ -d /run/systemd/system ] && is_root || return 0
    [ ! -L "$units/multi-user.target.wants/$1" ] || systemctl --quiet disable -- "$1" 2>/dev/null || :
    remove_unit "$1"
}

# entry ROLE: who runs it, as its current generation says
entry() { if [ -f "conf/$1/current/systemd.service" ]; then echo systemd; else echo supervisord; fi; }

# show NAME: the state of a unit
show() {
    [ -d /run/systemd/system ] || return 0
    systemctl show -p LoadState -p ActiveState -p SubState -p Result -p MainPID -p ExecMainCode -p ExecMainStatus \
        -p NeedDaemonReload -- "$1" 2>/dev/null || :
}

# watched ROLE NAME: the unit's state, and whether the recorded process is in it
watched() {
    [ -d /run/systemd/system ] && [ -e "$units/$2" ] || return 0
    show "$2"
    is_recorded "$1" || return 0
    while IFS= read -r group; do
        case $group in */"$2" | */"$2"/*) echo InUnit=yes && return 0 ;; esac
    done <"/proc/$pid/cgroup"
}

start_unit() {
    [ -d /run/systemd/system ] || die "systemd does not run here"
    case $(show "$1") in
    *NeedDaemonReload=yes* | *LoadState=not-found*) systemctl daemon-reload ;;
    esac
    # What it gave up on is tried again.
    systemctl reset-failed -- "$1" 2>/dev/null || :
    systemctl start -- "$1"
}

stop_unit() { systemctl stop --no-block -- "$1"; }

# end_supervisor PIDFILE CONFIG: ends a supervisor of ours that nothing runs under any more
end_supervisor() {
    own=
    [ -r "$1" ] && { IFS= read -r own <"$1" || :; }
    case $own in '' | *[!0-9]*) return 0 ;; esac
    tr '\000' '\n' 2>/dev/null <"/proc/$own/cmdline" | grep -qxF -- "$2" || return 0
    for record in run/*.proc; do
        role=${record#run/}
        role=${role%.proc}
        is_recorded "$role" || continue
        stat=$(cat "/proc/$pid/stat" 2>/dev/null) || continue
        # shellcheck disable=SC2086
        set -- ${stat##*)}
        [ "$2" != "$own" ] || die "$role still runs under the supervisor that is to end: apply again"
    done
    kill -s TERM "$own"
    tries=0
    while [ -e "/proc/$own/stat" ] && [ "$tries" -lt 300 ]; do
        case $(cat "/proc/$own/stat" 2>/dev/null) in *') Z '*) break ;; esac
        tries=$((tries + 1))
        sleep 0.1 2>/dev/null || sleep 1
    done
    [ "$tries" -lt 300 ] || die "process $own, the supervisor, was asked to end and goes on ending"
    rm -f -- run/supervisord.config run/supervisord.out
}

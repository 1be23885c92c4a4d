# Changes one host. Each function does one thing, and doing it again does no harm: what is new is written aside as
# `.tmp-NAME` in the folder where it belongs, synced, and renamed. The working directory is the prefix.
set -eu
LC_ALL=C TZ=UTC0
export LC_ALL TZ
umask 022

die() { printf '%s\n' "$*" >&2; exit 1; }

# What was written is on the disk: of some files and folders, or of a whole file system.
settle() { sync -- "$@" 2>/dev/null || sync; }
settle_all() { sync -f -- "$1" 2>/dev/null || sync; }

# whole FILE: everything is in it that `sent` says was sent. Who sends may die in the middle, and then its end looks like any
# other one.
whole() {
    [ "$(($(wc -c <"$1")))" -ne "$sent" ] || return 0
    rm -f -- "$1"
    die "what was sent ended in the middle: nothing was changed"
}

is_root() { [ "$(id -u)" = 0 ]; }

# own USER PATH…: gives paths to a user and the user's group, when we may
own() {
    user=$1
    shift
    [ -n "$user" ] && is_root || return 0
    chown -h -- "$user:$(id -gn -- "$user")" "$@"
}

make_user() {
    if command -v useradd >/dev/null; then
        if grep -q "^$1:" /etc/group; then group=--gid=$1; else group=--user-group; fi
        useradd --system "$group" --no-create-home --home-dir / --shell /usr/sbin/nologin -- "$1"
    else
        adduser -S -D -H -h / -s /sbin/nologin "$1"
    fi
}

# add_user NAME: sandbox hosts share one list of users, so one at a time; the lock is on a folder that is there anyway.
# Who is not root runs everything as itself.
add_user() {
    ! id -u -- "$1" >/dev/null 2>&1 && is_root || return 0
    (
        ! command -v flock >/dev/null || flock -w 60 9
        id -u -- "$1" >/dev/null 2>&1 || make_user "$1"
    ) 9</etc
}

# folder USER PATH: exists and belongs, with what is in it, to the user, or to us when there is none
folder() {
    mkdir -p -- "$2"
    is_root || return 0
    if [ -z "$1" ]; then
        [ -O "$2" ] || chown -h -- 0 "$2"
    elif [ "$(stat -c %u -- "$2")" != "$(id -u -- "$1")" ]; then
        chown -hR -- "$1:$(id -gn -- "$1")" "$2"
    fi
}

# link_data USER PATH FOLDER: data that stays where it is. What is there already is never moved, and its owner never changed.
link_data() {
    if [ -L "$2" ]; then
        [ "$(readlink -- "$2")" = "$3" ] || die "$2 is a link to something else than $3"
        return 0
    fi
    [ ! -e "$2" ] || die "$2 is there, and not a link to $3: is it empty? Then remove it"
    [ -d "$3" ] || die "$3 is no folder"
    mkdir -p -- "${2%/*}"
    ln -s -- "$3" "$2"
    own "$1" "$2"
}

# folders_to USER PATH: a folder with those that it is in, as far as they are missing
folders_to() {
    [ ! -d "$2" ] || return 0
    case $2 in */*) folders_to "$1" "${2%/*}" ;; esac
    mkdir -- "$2"
    own "$1" "$2"
}

# has_bytes SHA256 PATH
has_bytes() { [ -f "$2" ] && [ "$(sha256sum <"$2")" = "$1  -" ]; }

# begin NAME: an empty folder `software/.tmp-NAME/NAME`
begin() {
    cd software
    rm -rf -- ".tmp-$1"
    mkdir -- ".tmp-$1" ".tmp-$1/$1"
}

# unpack NAME SHA256 FILE INTO
unpack() {
    has_bytes "$2" "../install/$3" || die "install/$3 is damaged or missing: apply again, it is then copied anew"
    mkdir -p -- ".tmp-$1/$1/$4"
    tar -xof "../install/$3" -C ".tmp-$1/$1/$4"
    printf '%s\n' "$3" >>".tmp-$1/$1.parts"
}

# finish NAME: a process that uses a folder that is replaced keeps what it has opened
finish() {
    cd ".tmp-$1"
    is_root && chown -hR 0:0 -- "$1"
    chmod -R u+rwX,go+rX,go-w -- "$1"
    listing "$1"
    # What a look at times alone needs; without GNU's find there is none.
    : >"$1.manifest"
    printf '%s\n%s\n' "manifest $(find "$1.manifest" -printf '%i @%T@' 2>/dev/null)" "$told" >"$1.manifest"
    contents "$1"
    printf '%s\n' "$told" >"$1.sha256"
    cd ..
    settle_all ".tmp-$1"
    rm -rf -- ".tmp-old-$1"
    [ ! -e "$1" ] || mv -- "$1" ".tmp-old-$1"
    for suffix in manifest sha256 parts; do mv -f -- ".tmp-$1/$1.$suffix" "$1.$suffix"; done
    mv -- ".tmp-$1/$1" "$1"
    settle .
    rm -rf -- ".tmp-$1" ".tmp-old-$1"
}

# render ROLE GENERATION USER FOLDER-MODE: a generation out of a tar on standard input
render() {
    cd "conf/$1"
    rm -rf -- ".tmp-$2" ".tmp-$2.sent"
    (umask 077 && cat >".tmp-$2.sent")
    whole ".tmp-$2.sent"
    mkdir -m 700 -- ".tmp-$2"
    tar -xpof ".tmp-$2.sent" -C ".tmp-$2"
    rm -f -- ".tmp-$2.sent"
    # The time of the manifest tells generations apart by age.
    touch -- ".tmp-$2/manifest"
    if is_root; then
        chown -hR 0:0 -- ".tmp-$2"
        if [ -n "$3" ]; then
            group=$(id -gn -- "$3")
            chgrp -hR -- "$group" ".tmp-$2"
            # What the group may not read either belongs to the user; everything that we or root act upon stays ours.
            find ".tmp-$2" -type f ! -perm -040 ! -path '*/.placed/*' -exec chown -- "$3" {} +
            [ ! -d ".tmp-$2/.placed" ] || chmod 700 ".tmp-$2/.placed"
        fi
    fi
    chmod "$4" ".tmp-$2"
}

# keep_owned GENERATION FILE…: what the service wrote itself into a generation of the same name
keep_owned() {
    at=$1
    shift
    for file; do
        [ ! -e "$at/$file" ] || [ -e ".tmp-$at/$file" ] || cp -p -- "$at/$file" ".tmp-$at/$file"
    done
}

# rendered GENERATION
rendered() {
    settle_all ".tmp-$1"
    rm -rf -- ".tmp-old-$1"
    [ ! -e "$1" ] || mv -- "$1" ".tmp-old-$1"
    mv -- ".tmp-$1" "$1"
    settle .
    rm -rf -- ".tmp-old-$1"
}

# tested FOLDER USER WORD…: what the service itself says of a generation that it does not run yet
tested() {
    aside=$1 user=$2
    shift 2
    if [ -n "$user" ] && is_root; then
        set -- setpriv "--reuid=$user" "--regid=$(id -g -- "$user")" --init-groups "$@"
    fi
    said=$("$@" 2>&1 </dev/null) && return 0
    rm -rf -- "$aside"
    die "it refuses them: $(printf '%s\n' "$said" | tail -n 10 | head -c 2048)"
}

# told USER WORD…: a command of the service's, as its user; its last words when it fails
told() {
    user=$1
    shift
    if [ -n "$user" ] && is_root; then
        set -- setpriv "--reuid=$user" "--regid=$(id -g -- "$user")" --init-groups "$@"
    fi
    said=$("$@" 2>&1 </dev/null) || die "$(printf '%s\n' "$said" | tail -n 10 | head -c 2048 | tr '\n' ' ')"
}

# carry ROLE GENERATION FILE…: what the service wrote itself goes along from the current generation
carry() {
    to="conf/$1/$2" from="conf/$1/current"
    shift 2
    [ -d "$to" ] || die "$to is missing: apply again, it is then written anew"
    [ -d "$from" ] && ! [ "$from" -ef "$to" ] || return 0
    for file; do
        [ -f "$from/$file" ] || continue
        cmp -s -- "$from/$file" "$to/$file" && continue
        rm -f -- "$to/.tmp-carried"
        cp -p -- "$from/$file" "$to/.tmp-carried"
        settle "$to/.tmp-carried"
        mv -f -- "$to/.tmp-carried" "$to/$file"
    done
}

# place ROLE GENERATION USER: files of the generation that belong elsewhere below the prefix
place() {
    index="conf/$1/$2/.placed/index"
    [ -f "$index" ] || return 0
    while IFS='	' read -r number mode identity path; do
        case /$path/ in */../* | //*) die "$index names $path" ;; esac
        within=${path%/*} name=${path##*/}
        from="conf/$1/$2/.placed/$number"
        if [ -e "$path" ] && { [ "$identity" = 1 ] || { cmp -s -- "$from" "$path" && [ "$(stat -c %a -- "$path")" = "$mode" ]; }; }; then
            continue
        fi
        folders_to "$3" "$within"
        rm -f -- "$within/.tmp-$name"
        # Never through a link that somebody has put there.
        (set -C && cat -- "$from" >"$within/.tmp-$name")
        chmod "$mode" "$within/.tmp-$name"
        own "$3" "$within/.tmp-$name"
        settle "$within/.tmp-$name"
        mv -f -- "$within/.tmp-$name" "$path"
        settle "$within"
    done <"$index"
}

# point ROLE GENERATION: the switch itself. `previous` names what was current before, so that a run that continues a lost
# one knows what to go back to; going back there forgets it. `trial` names what was switched to and has not been seen
# healthy yet: that is nothing to go back to, so `previous` stays what it was.
point() {
    old=$(readlink "conf/$1/current") || old=
    [ -n "$old" ] && [ "$old" != "$2" ] && [ -L "conf/$1/previous" ] && [ "$(cat "conf/$1/trial" 2>/dev/null)" = "$old" ] &&
        old=$(readlink "conf/$1/previous")
    if [ -L "conf/$1/previous" ] && [ "$(readlink "conf/$1/previous")" = "$2" ]; then
        rm -f -- "conf/$1/previous" "conf/$1/trial"
    elif [ -n "$old" ] && [ "$old" != "$2" ]; then
        rm -f -- "conf/$1/.tmp-previous"
        ln -s -- "$old" "conf/$1/.tmp-previous"
        mv -fT -- "conf/$1/.tmp-previous" "conf/$1/previous" 2>/dev/null || {
            rm -f -- "conf/$1/.tmp-previous"
            ln -sfn -- "$old" "conf/$1/previous"
        }
        printf '%s\n' "$2" >"conf/$1/.tmp-trial"
        mv -f -- "conf/$1/.tmp-trial" "conf/$1/trial"
    fi
    rm -f -- "conf/$1/.tmp-current"
    ln -s -- "$2" "conf/$1/.tmp-current"
    mv -fT -- "conf/$1/.tmp-current" "conf/$1/current" 2>/dev/null || {
        rm -f -- "conf/$1/.tmp-current"
        ln -sfn -- "$2" "conf/$1/current"
    }
    settle "conf/$1"
}

# write PATH: standard input becomes a small file
write() {
    within=${1%/*} name=${1##*/}
    cat >"$within/.tmp-$name"
    whole "$within/.tmp-$name"
    settle "$within/.tmp-$name"
    mv -f -- "$within/.tmp-$name" "$1"
    settle "$within"
}

erase() {
    [ -e "$1" ] || return 0
    rm -f -- "$1"
    settle "${1%/*}"
}

# append PATH: standard input, on a line of its own also after a line that a crash has cut off
append() {
    # The history begins before the folders are prepared: preparing them is in it.
    mkdir -p -- "${1%/*}"
    [ ! -s "$1" ] || [ -z "$(tail -c 1 -- "$1")" ] || echo >>"$1"
    cat >>"$1"
    settle "$1"
}

# reloaded ROLE: the running process has taken up, or is about to, what is current now
reloaded() {
    now=$(readlink "conf/$1/current") || return 0
    [ -r "run/$1.reloaded" ] && [ "$(cat "run/$1.reloaded")" = "$now" ] && return 0
    printf '%s\n' "$now" >"run/.tmp-$1.reloaded"
    mv -f -- "run/.tmp-$1.reloaded" "run/$1.reloaded"
}

# is_recorded ROLE: the recorded process runs: process id, start time and boot id match; `pid` is set
is_recorded() {
    [ -r "run/$1.proc" ] || return 1
    pid= start= booted= boot= line=
    while IFS='=' read -r key value; do
        case $key in pid) pid=$value ;; start_time) start=$value ;; boot_id) booted=$value ;; esac
    done <"run/$1.proc"
    case $pid in '' | *[!0-9]*) return 1 ;; esac
    IFS= read -r boot </proc/sys/kernel/random/boot_id
    [ "$boot" = "$booted" ] && [ -r "/proc/$pid/stat" ] || return 1
    while IFS= read -r part; do line="$line $part"; done 2>/dev/null <"/proc/$pid/stat"
    [ -n "$line" ] || return 1
    set -- ${line##*)}
    case $1 in Z | X) return 1 ;; esac
    shift 19
    [ "$1" = "$start" ]
}

# take_over ROLE PID START-TIME WORD…: records a process that somebody else has started, when process id, start time and
# command line are still those; another one is left alone, and there is nothing to stop then
take_over() {
    ! is_recorded "$1" || return 0
    role=$1 pid=$2 start=$3 said= line= boot=
    shift 3
    case $pid$start in '' | *[!0-9]*) die "process $pid can't be taken over" ;; esac
    { while IFS= read -r part || [ -n "$part" ]; do said="$said $part"; done; } 2>/dev/null <"/proc/$pid/cmdline" || return 0
    for word; do case $said in *"$word"*) ;; *) return 0 ;; esac; done
    while IFS= read -r part; do line="$line $part"; done 2>/dev/null <"/proc/$pid/stat"
    [ -n "$line" ] || return 0
    set -- ${line##*)}
    case $1 in Z | X) return 0 ;; esac
    shift 19
    [ "$1" = "$start" ] || return 0
    IFS= read -r boot </proc/sys/kernel/random/boot_id
    printf 'pid=%s\nstart_time=%s\nboot_id=%s\nrestart_generation=%s\n' "$pid" "$start" "$boot" \
        "$(printf %s 'not started by es_cluster' | sha256sum | cut -c 1-64)" >"run/.tmp-$role.proc"
    settle "run/.tmp-$role.proc"
    mv -f -- "run/.tmp-$role.proc" "run/$role.proc"
}

# signal ROLE NAME: to the recorded process, and to no other that has its number by now
signal() { ! is_recorded "$1" || kill -s "$2" "$pid"; }

# ended ROLE: forgets the record of a process that is gone
ended() { is_recorded "$1" || erase "run/$1.proc"; }

# launch OUTPUT WORD…: in the background, in a session of its own, with nothing of ours open
launch() {
    said=$1
    shift
    session=
    ! command -v setsid >/dev/null || session=setsid
    cd /
    $session env -i PATH="$PATH" LANG=C "$@" </dev/null >"$said" 2>&1 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&- &
}

# withdraw ROLE UNIT: forgets an instance that does not run any more; its data and its logs stay
withdraw() {
    ! is_recorded "$1" || die "$1 still runs"
    if [ -d /run/systemd/system ] && is_root; then remove_unit "$2"; fi
    for record in proc first held launch reloaded drained; do erase "run/$1.$record"; done
    rm -rf -- "run/$1"
    [ -d "conf/$1" ] || return 0
    rm -rf -- "conf/.tmp-old-$1"
    mv -- "conf/$1" "conf/.tmp-old-$1"
    settle conf
    rm -rf -- "conf/.tmp-old-$1"
}

# purge ROLE: deletes data that nothing uses; of a link only the link
purge() {
    [ ! -e "conf/$1" ] && ! is_recorded "$1" || die "$1 is still there"
    rm -rf -- "data/$1"
    settle data
}

# Removes what nothing uses any more: generations beyond the newest three of each role, then software that no generation
# left, no running process and no name in `$keep` (one a line) uses, then bundles of software that is gone; of journals all but
# the newest thousand.
nl='
'
kept() { case $nl$keep$nl in *"$nl$1$nl"*) return 0 ;; *) return 1 ;; esac; }

# discard PATH: first out of the way, so that nothing half-removed keeps its name
discard() {
    away=${1%/*}/.tmp-old-${1##*/}
    rm -rf -- "$away"
    mv -- "$1" "$away"
    rm -rf -- "$away"
}

is_digest() { case $1 in *[!0-9a-f]*) return 1 ;; *) [ ${#1} -eq 64 ] ;; esac; }

generations() {
    for role in conf/*; do
        [ -L "$role/current" ] || continue
        left=3
        # Newest first: times in full, since some versions of `ls -t` look at seconds only.
        for generation in $(cd "$role" && stat -c '%y %n' -- */manifest 2>/dev/null | sort -r); do
            case $generation in */manifest) generation=${generation%/manifest} ;; *) continue ;; esac
            is_digest "$generation" || continue
            if [ "$left" -gt 0 ]; then
                left=$((left - 1))
                continue
            fi
            [ "$role/current" -ef "$role/$generation" ] && continue
            [ "$role/previous" -ef "$role/$generation" ] && continue
            ! kept "$generation" || continue
            discard "$role/$generation"
        done
    done
}

# Everything that says which software is used: generations, and what the recorded processes have open.
uses() {
    cat conf/*/*/software conf/*/*/launch 2>/dev/null || :
    for record in run/*.proc run/supervisord.pid; do
        [ -r "$record" ] || continue
        while read -r line; do
            case $line in pid=*) line=${line#pid=} ;; esac
            case $line in '' | *[!0-9]*) continue ;; esac
            { cat "/proc/$line/maps"; tr '\000' '\n' <"/proc/$line/cmdline"; tr '\000' '\n' <"/proc/$line/environ"; ls -l "/proc/$line/fd/" "/proc/$line/exe" "/proc/$line/cwd"; } 2>/dev/null || :
            break
        done <"$record"
    done
}

# Without a look at what a running process has open, nothing may be called unused.
readable() {
    for record in run/*.proc; do
        [ -r "$record" ] || continue
        name=${record#run/}
        ! is_recorded "${name%.proc}" || [ -r "/proc/$pid/maps" ] || return 1
    done
}

software() {
    readable || return 0
    used=$(uses | grep -oE '[A-Za-z0-9][A-Za-z0-9._+-]*-[0-9a-f]{12}' | sort -u) || :
    for folder in software/*; do
        name=${folder#software/}
        [ -d "$folder" ] && [ ! -L "$folder" ] || continue
        case $name in *[!A-Za-z0-9._+-]*) continue ;; esac
        ! kept "$name" || continue
        case $nl$used$nl in *"$nl$name$nl"*) continue ;; esac
        discard "$folder"
        rm -f -- "$folder.manifest" "$folder.sha256" "$folder.parts"
    done
}

bundles() {
    needed=$(cat software/*.parts 2>/dev/null) || :
    for file in install/*; do
        name=${file#install/}
        [ -f "$file" ] && is_digest "${name%%-*}" || continue
        ! kept "$name" || continue
        case $nl$needed$nl in *"$nl$name$nl"*) continue ;; esac
        rm -f -- "$file"
    done
}

# Their names begin with the time, so the oldest come first.
journals() {
    set -- log/history/*.jsonl
    while [ $# -gt 1000 ]; do
        rm -f -- "$1"
        shift
    done
}

set_keep() { keep=$1; }

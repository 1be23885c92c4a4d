# stranger ROLE LINK DATA PORTS WORD…: who listens to these ports (`:` and hexadecimal digits each, with a blank after it),
# and which of them have all these words in their command lines. What belongs to other users is only seen by root.
stranger() {
    role=$1 ports=$4 target=
    [ -L "$2" ] && { target=$(readlink -- "$2") || target=; } || { [ ! -d "$2" ] || target=.; }
    case $target in '' | *[![:print:]]*) ;; *) say "linked $role $target" ;; esac
    [ -n "$3" ] && [ -d "$3" ] && say "keeps $role $(stat -L -c %u -- "$3")"
    shift 4
    open=$(awk -v ports="$ports" '$4 == "0A" && index(ports, substr($2, length($2) - 4) " ") { print $2 ":" $10 }' \
        /proc/net/tcp /proc/net/tcp6 2>/dev/null) || :
    [ -n "$open" ] || return 0
    for entry in $open; do say "listens $role $entry"; done
    holders born "$@"
}

born() {
    for entry in $holds; do say "holds $role $pid ${entry##*:}"; done
    line=
    while IFS= read -r part; do line="$line $part"; done 2>/dev/null <"$folder/stat"
    say "born $role $pid ${line##*)}"
    while IFS=: read -r _ name path; do
        case $name in '' | name=systemd) case $path in *[![:print:]]*) ;; *) say "unit $role $pid $path" ;; esac ;; esac
    done 2>/dev/null <"$folder/cgroup"
}

# identity ROLE NUMBER FILE: its first lines
identity() {
    count=0
    while IFS= read -r line || [ -n "$line" ]; do
        case $line in *[![:print:]]*) line=? ;; esac
        say "identity $1 $2 $line"
        count=$((count + 1))
        [ "$count" -lt 20 ] || break
    done 2>/dev/null <"$3" || :
}

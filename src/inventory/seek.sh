# Looks for processes that somebody started by hand. Text that may be anything is said only when it is printable, and files
# as hexadecimal digits.
text() { case $2 in '' | *[![:print:]]*) ;; *) say "$1 $2" ;; esac; }

# listening: sockets that wait for connections, in $open
listening() {
    open=$(awk '$4 == "0A" { print $2 ":" $10 }' /proc/net/tcp /proc/net/tcp6 2>/dev/null | head -n 2000) || :
}

# seek MODULE ENDS STARTS FILE PLACES KEY CWD ID HOME -- WORD…: processes with all these words that listen to anything. Their
# configuration is the last word that ends with ENDS, or FILE in the folder after STARTS, or at one of PLACES; KEY in it (a
# regular expression) names the data, or else the working directory is it; ID is a file in the data, HOME one beside `bin`.
seek() {
    module=$1 ends=$2 starts=$3 file=$4 places=$5 key=$6 cwd_is_data=$7 id=$8 homefile=$9
    shift 10
    holders found "$@"
}

found() {
    say "[process $module $pid]"
    exe=$(readlink "$folder/exe" 2>/dev/null) cwd=$(readlink "$folder/cwd" 2>/dev/null) config= data=
    exe=${exe% (deleted)}
    text exe "$exe"
    text cwd "$cwd"
    text user "$(stat -c %U "$folder" 2>/dev/null)"
    for entry in $holds; do say "listens ${entry%:*}"; done
    while IFS=: read -r _ name path; do
        case $name in '' | name=systemd) case $path in *.service) text unit "${path##*/}" ;; esac ;; esac
    done 2>/dev/null <"$folder/cgroup"
    was=$IFS IFS=$nl
    set -f
    for line in $sockets; do case $line in *' -> /'*) text opens "${line##* -> }" ;; esac; done
    for line in $(tr '\000' '\n' <"$folder/cmdline" 2>/dev/null); do
        text word "$line"
        [ -n "$ends" ] && case $line in *"$ends") config=$line ;; esac
        [ -n "$starts" ] && case $line in "$starts"*) config=${line#"$starts"}/$file ;; esac
    done
    set +f
    IFS=$was
    for line in $places; do
        [ -z "$config" ] || break
        case $line in /*) ;; *) line=$cwd/$line ;; esac
        [ ! -f "$line" ] || config=$line
    done
    case $config in '' | /*) ;; *) config=$cwd/$config ;; esac
    text config "$config"
    [ -z "$key" ] || [ ! -r "$config" ] ||
        data=$(sed -n "s/^[[:space:]]*$key[[:space:]]*[=:[:space:]][[:space:]]*//p" "$config" | tail -n 1 | tr -d '"'"'")
    [ -n "$data" ] || [ -z "$cwd_is_data" ] || data=$cwd
    case $data in '' | /*) ;; .) data=$cwd ;; *) data=$cwd/${data#./} ;; esac
    text data "$data"
    [ ! -d "$data" ] || say 'data-is there'
    if [ -f "$config" ] && [ -r "$config" ]; then
        say '[config]'
        hex "$config"
    fi
    if [ -n "$id" ] && [ -f "$data/$id" ] && [ -r "$data/$id" ]; then
        say '[id]'
        hex "$data/$id"
    fi
    home=${exe%/bin/*}
    for line in "$home/$homefile" "$home/../$homefile"; do
        [ -n "$homefile" ] && [ -f "$line" ] && [ -r "$line" ] || continue
        say '[home]'
        hex "$line"
        break
    done
}

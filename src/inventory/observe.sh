# Looks at one host and writes what it saw on standard output: sections `[NAME]` with lines of words, and `[end]` last.
# Writes nothing else anywhere. Everything that can be is asked of the shell itself: a process costs a millisecond.
set -u
LC_ALL=C TZ=UTC0
export LC_ALL TZ
nl='
'
# What is said goes out in few pieces: each of them would wake the server and the controller.
# Roles that run.
lives=
out=
say() { out=$out"$*$nl"; }
flush() {
    printf %s "$out"
    out=
}
hex() { flush && od -An -v -tx1 -N 262145 <"$1" 2>/dev/null; }

# machine USER
machine() {
    say '[machine]'
    boot=
    IFS= read -r boot </proc/sys/kernel/random/boot_id || :
    say "boot $boot"
    while read -r key _ value _; do [ "$key" = Uid: ] && say "uid $value" && break; done </proc/self/status
    while read -r key value _; do [ "$key" = MemTotal: ] && say "memory $value" && break; done </proc/meminfo
    read -r up _ </proc/uptime && say "uptime ${up%.*}"
    systemd=
    [ -d /run/systemd/system ] && systemd=yes && say 'init systemd'
    command -v ssh >/dev/null 2>&1 && say 'client ssh'
    [ -z "$1" ] || { user "$1" && say "user $found"; }
}

# user NAME: its numeric id, in $found
user() {
    while IFS=: read -r key _ found _; do [ "$key" = "$1" ] && return 0; done 2>/dev/null </etc/passwd
    found=$(id -u -- "$1" 2>/dev/null)
}

# Whether we may write where the prefix is, or where it would be.
place() {
    at=$1
    while [ ! -d "$at" ] && [ -n "${at#/}" ]; do at=${at%/*}; done
    [ -w "${at:-/}" ] || say "closed ${at:-/}"
}

# What the manifest of a software folder holds, in $told: of a folder its name and kind, of anything else also size,
# times, inode. GNU's find says it alone; another needs stat, and says the same in other words. The order is that of the
# folders themselves, which stays as long as nobody touches them.
listing() {
    told=$(find "$@" -type d -printf '%p %y%m\n' -o -printf '%p %y%m %s %T@ %C@ %i\n' 2>/dev/null) || :
    [ -n "$told" ] || told=$(find "$@" -type d -exec stat -c '%n %f' {} + -o -exec stat -c '%n %f %s %y %z %i' {} + 2>/dev/null) || :
}
contents() {
    told=$({ find "$@" -type f -exec sha256sum {} + ; find "$@" ! -type f -exec stat -c '%n %f' {} + ; } 2>/dev/null) || :
}

# software LISTING SUFFIX: names the folders, and says in $untouched how `files` finds out, with a look at times alone, that
# nothing is other than its manifest says. The manifest begins with its own inode and when it was written: no change time in
# the folder is later, and it is still the same file, and not from tomorrow (a clock that was ahead then).
software() {
    listing=$1 suffix=$2 names= untouched= touched=
    say '[software]'
    for folder in software/*; do
        name=${folder#software/}
        case $name in *[!A-Za-z0-9._+-]*) continue ;; esac
        [ -d "$folder" ] && [ ! -L "$folder" ] || continue
        say "$name"
        names="$names $name" word= inode= time=
        { IFS=' ' read -r word inode time || :; } 2>/dev/null <"$folder.manifest"
        case $inode$time in '' | *[!0-9.@]*) word= ;; esac
        [ "$word$suffix" = manifest.manifest ] || touched=yes
        untouched="$untouched -path $folder.manifest ( ! -inum $inode -o -newermt now ) -printf touched\\n"
        untouched="$untouched -o -path $folder/* -newerct $time -printf touched\\n"
        untouched="$untouched -o -path $folder -newermt $time -printf touched\\n -o"
    done
}

# damaged: what differs between each folder and its manifest, when anything was touched
damaged() {
    [ -n "$touched" ] && [ -n "$names" ] && cd software || return 0
    # Everything at once, and one folder after the other only when that differs.
    manifests=
    for name in $names; do manifests="$manifests $name$suffix"; done
    $listing $names
    [ "$told" != "$(grep -hv '^manifest ' $manifests 2>/dev/null)" ] || names=
    for name in $names; do
        $listing "$name"
        have=$(printf '%s\n' "$told" | sort)
        want=$(grep -hv '^manifest ' "$name$suffix" 2>/dev/null | sort)
        [ "$have" = "$want" ] && continue
        say "[damaged $name]"
        flush
        printf '%s\n%s\n' "$have" "$want" | sort | uniq -u | head -c 4096 | od -An -v -tx1
    done
    cd ..
}

supervisor() {
    say '[supervisor]'
    pid=
    [ -r "$1" ] && { IFS= read -r pid <"$1" || :; }
    case $pid in '' | *[!0-9]*) return 0 ;; esac
    words=
    # Shells leave out the zeros between the words.
    { IFS= read -r words || :; } 2>/dev/null <"/proc/$pid/cmdline" || return 0
    case $words in *"-c$2") say "pid $pid" ;; *) return 0 ;; esac
    started= version=
    [ -r run/supervisord.config ] && { IFS= read -r started && IFS= read -r version || :; } <run/supervisord.config
    say "config $started"
    say "version $version"
}

# Words of a name: what a path below conf/, data/ and run/ may be.
safe() { case $1 in '' | .* | *[!a-z0-9._-]*) return 1 ;; *) return 0 ;; esac; }

# has_data FOLDER PLACED…: whether there is anything but what we place there
has_data() {
    at=$1
    shift
    for entry in "$at"/* "$at"/.[!.]* "$at"/..?*; do
        [ -e "$entry" ] || [ -L "$entry" ] || continue
        case $entry in "$at/lost+found") continue ;; esac
        for own; do
            case $entry in "$at/$own" | "$at/.tmp-$own") continue 2 ;; esac
            case $own in
                */*) if [ "$entry" = "$at/${own%%/*}" ] && [ -z "$(find "$entry" ! -type d ! -path "$at/$own" | head -n 1)" ]; then continue 2; fi ;;
            esac
        done
        return 0
    done
    return 1
}

# process: the record of $role as it is, and what the kernel says of that process id
process() {
    [ -r "run/$role.proc" ] || return 0
    pid=
    while IFS='=' read -r key value; do
        case $key in pid) pid=$value ;; esac
        case $key in pid | start_time | boot_id | restart_generation) say "record $role $key $value" ;; esac
    done <"run/$role.proc"
    say "record $role end"
    case $pid in '' | *[!0-9]*) return 0 ;; esac
    [ -r "/proc/$pid/stat" ] || return 0
    line=
    while IFS= read -r part; do line="$line $part"; done 2>/dev/null <"/proc/$pid/stat"
    # The second field is a name in parentheses, in which anything may be.
    say "kernel $role ${line##*)}"
    lives="$lives $role"
    [ "$systemd" ] || return 0
    # Where systemd keeps it; other hierarchies name their controllers.
    while IFS=: read -r _ name path; do
        case $name in '' | name=systemd) say "group $role $path" ;; esac
    done 2>/dev/null <"/proc/$pid/cgroup"
}

# instance ROLE DATA-FOLDER PLACED…
instance() {
    role=$1
    flush
    say "role $role"
    if [ -L "conf/$role/current" ]; then
        for generation in "conf/$role"/*; do
            [ ! -L "$generation" ] || continue
            [ "conf/$role/current" -ef "$generation" ] && say "current $role ${generation##*/}"
            [ "conf/$role/previous" -ef "$generation" ] && say "previous $role ${generation##*/}"
        done
        value=
        [ -r "conf/$role/trial" ] && { IFS= read -r value || :; } <"conf/$role/trial" &&
            [ -n "$value" ] && [ "conf/$role/current" -ef "conf/$role/$value" ] && say "trial $role $value"
        [ -r "conf/$role/previous/software" ] &&
            while IFS= read -r value; do say "used $role $value"; done <"conf/$role/previous/software"
        for value in "conf/$role/previous/phase-"*; do
            [ -e "$value" ] && say "phased $role"
        done
        value=
        [ -r "conf/$role/current/restart-generation" ] &&
            { IFS= read -r value || :; } <"conf/$role/current/restart-generation" && say "restart $role $value"
        [ -r "conf/$role/current/software" ] &&
            while IFS= read -r value; do say "uses $role $value"; done <"conf/$role/current/software"
        [ -r "conf/$role/current/secrets" ] &&
            while IFS= read -r value; do say "sealed $role $value"; done <"conf/$role/current/secrets"
    fi
    shift
    has_data "$@" && say "data $role"
    process
    [ -r "run/$role.held" ] && held="$held $role"
    [ -e "run/$role.drained" ] && say "drained $role"
    seen="$seen $role"
}

# reload ROLE FILE…: digests of these files in the generation that was current when a reload was last asked for
reload() {
    role=$1 last=
    shift
    [ -r "run/$role.reloaded" ] || return 0
    { IFS= read -r last || :; } <"run/$role.reloaded"
    case $last in *[!0-9a-f]*) last= ;; esac
    [ -n "$last" ] && [ "conf/$role/current" -ef "conf/$role/$last" ] && return 0
    say "[was $role]"
    flush
    [ -n "$last" ] && [ -d "conf/$role/$last" ] && (cd "conf/$role/$last" && sha256sum -- "$@" 2>/dev/null)
}

# instances whose folder is here and that were not asked for
orphans() {
    for folder in conf/*; do
        role=${folder#conf/}
        safe "$role" && [ -d "$folder" ] && [ "$role" != "$1" ] || continue
        case " $seen " in *" $role "*) continue ;; esac
        [ -L "$folder/current" ] || [ -e "run/$role.proc" ] || continue
        instance "$role" "data/$role"
        value=
        [ -r "conf/$role/current/about.json" ] && { IFS= read -r value || :; } <"conf/$role/current/about.json"
        case $value in '' | *[![:print:]]*) ;; *) say "about $role $value" ;; esac
    done
    for folder in data/*; do
        role=${folder#data/}
        safe "$role" && [ "$role" != "$1" ] && { [ -d "$folder" ] || [ -L "$folder" ]; } || continue
        case " $seen " in *" $role "*) continue ;; esac
        say "kept $role"
    done
}

# files FOLDER… -- START…: owner, size and time of these folders, of what lies in install/ and of the generations' manifests;
# permission bits, size and name of every regular file below the starts, and then the digests. The same process looks at
# the software.
files() {
    named=yes
    for start; do
        shift
        case $named$start in
        yes--) named= ;;
        yes/*) [ ! -d "$start" ] || set -- "$@" "/.$start" ;;
        yes*) [ ! -d "$start" ] || set -- "$@" "./$start" ;;
        *) [ ! -e "$start" ] || set -- "$@" "$start" ;;
        esac
    done
    # A path that begins with ./ or /./ is looked at and not entered.
    for start in install/* conf/*/*/manifest; do
        [ ! -e "$start" ] || set -- "$@" "./$start"
    done
    set -f
    # GNU's find says everything itself; another refuses the words at once.
    found=$(
        if [ "$touched" ]; then untouched=; else for name in $names; do set -- "$@" "software/$name" "software/$name.manifest"; done; fi
        find "$@" \( -path './*' -o -path '/./*' \) -prune -printf 'stat %U %s %TY-%Tm-%Td %TT %p\n' \
            -o -path 'software/*' \( $untouched -true \) \
            -o -type f -size -8192 ! -path '*[![:print:]]*' ! -path '*\\*' -printf 'mode %m %s %p\n' -exec sha256sum {} + 2>/dev/null
    ) || {
        touched=yes
        found=$(find "$@" \( -path './*' -o -path '/./*' \) -prune -exec stat -c 'stat %u %s %y %n' {} + \
            -o -type f -size -8192 ! -path '*[![:print:]]*' ! -path '*\\*' -exec stat -c 'mode %a %s %n' {} + \
            -exec sha256sum {} + 2>/dev/null)
    }
    set +f
    case $nl$found in
    *${nl}touched*) touched=yes found=$(printf '%s\n' "$found" | grep -v '^touched$') ;;
    esac
    damaged
    say '[files]'
    flush
    printf '%s\n' "$found"
}

# differs WANTED-DIGEST PATH: its text, unless it is as wanted, or only its owner may read it
differs() {
    # A pattern that does not begin with something quoted is matched faster.
    case $nl$found$nl in *$nl$1"  $2$nl"*) return 0 ;; esac
    [ -f "$2" ] && [ -r "$2" ] || return 0
    case $(stat -c %a -- "$2") in *[4-7]?) ;; *) return 0 ;; esac
    say "[content $2]"
    hex "$2"
}

# applied ROLE WANTED-GENERATION: what the current generation was written with, and says of the instance, when it is another one
applied() {
    [ -r "conf/$1/current/manifest" ] && [ ! "conf/$1/current" -ef "conf/$1/$2" ] || return 0
    say "[applied $1]"
    flush
    cat "conf/$1/current/manifest"
    [ -r "conf/$1/current/about.json" ] || return 0
    say "[about $1]"
    hex "conf/$1/current/about.json"
}

# boot FOLDER UNIT: whether this unit is started when the host boots
boot() {
    say '[boot]'
    [ -L "$1/multi-user.target.wants/$2" ] && say enabled
}

records() {
    for role in $held; do
        say "[held $role]"
        hex "run/$role.held"
    done
    for file in run/undo/*.json; do
        name=${file#run/undo/}
        safe "$name" && [ -f "$file" ] || continue
        say "[undo $name]"
        hex "$file"
    done
}

# debris FILE…: what we write aside, in the folders that are only ours, and beside the files that we place elsewhere
debris() {
    say '[debris]'
    # The pattern's own name comes when nothing matches.
    for path in .tmp-* bin/.tmp-* conf/.tmp-* conf/*/.tmp-* install/.tmp-* log/history/.tmp-* run/.tmp-* run/undo/.tmp-* \
        software/.tmp-* "$@"; do
        [ -e "$path" ] || [ -L "$path" ] || continue
        # A launcher may be writing its record at this moment; the next one writes over what is left of it.
        case $path in *[![:print:]]* | run/.tmp-*.proc) ;; *) say "$path" ;; esac
    done
}

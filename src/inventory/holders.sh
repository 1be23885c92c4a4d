# holders FUNCTION WORD…: calls it for each process with all these words that holds a socket of $open (`…:INODE` each), with
# $pid, its $folder, its $sockets, and those of $open that it $holds.
holders() {
    with=$1
    shift
    for folder in /proc/[0-9]*; do
        pid=${folder#/proc/} line=
        # Shells leave out the zeros between the words.
        { while IFS= read -r part || [ -n "$part" ]; do line="$line $part"; done; } 2>/dev/null <"$folder/cmdline" || continue
        [ -n "$line" ] && [ "$pid" != "$$" ] || continue
        for word; do case $line in *"$word"*) ;; *) continue 2 ;; esac; done
        sockets=$(ls -l "$folder/fd" 2>/dev/null) || :
        holds=
        for entry in $open; do
            case $sockets in *"socket:[${entry##*:}]"*) holds="$holds $entry" ;; esac
        done
        [ -z "$holds" ] || "$with"
    done
}

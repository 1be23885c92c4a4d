# Packages of the host's system, after the functions of change.sh.

# manager WORD…: a package manager, in a session of its own: who stops waiting for it must not end it half way. What it says
# goes into a file that has no name any more: a reader that is gone would end it, too. Its last line is left in `why`.
manager() {
    said=$(mktemp)
    exec 3>"$said" 4<"$said"
    rm -f -- "$said"
    session=
    ! command -v setsid >/dev/null || session=setsid
    code=0
    $session env DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1 "$@" </dev/null >&3 2>&1 || code=$?
    exec 3>&-
    why=$(grep . <&4 | tail -n 1) || :
    exec 4<&-
    return "$code"
}

apt_get() { manager apt-get -q -y -o DPkg::Lock::Timeout=300 "$@"; }

# install_packages NAME…: nothing is asked, nothing else is installed than what they need, and no service is restarted for
# it. A list of packages that is too old is fetched again once.
install_packages() {
    is_root || die "only root may install packages, and we are $(id -un)"
    if command -v apt-get >/dev/null; then
        apt_get install --no-install-recommends -- "$@" && return 0
        # What it fetches may be told by one source and not by another one.
        apt_get update || :
        apt_get install --no-install-recommends -- "$@" && return 0
    elif command -v dnf >/dev/null; then
        manager dnf install -y -q --setopt=install_weak_deps=False -- "$@" && return 0
    elif command -v yum >/dev/null; then
        manager yum install -y -q -- "$@" && return 0
    elif command -v apk >/dev/null; then
        manager apk add --no-interactive -- "$@" && return 0
    else
        die "there is no package manager that we know: apt-get, dnf, yum or apk"
    fi
    die "$* can't be installed: $why"
}

# has_programs PACKAGE PROGRAM…
has_programs() {
    package=$1
    shift
    for name; do
        command -v "$name" >/dev/null || die "$package is installed, and there is no $name in the path"
    done
}

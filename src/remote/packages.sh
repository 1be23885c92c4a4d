# Packages of the host's system, after the functions of change.sh. Their names have no character that a package manager takes
# for an option, or for something to remove.

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
# A file of configuration that somebody has changed stays as it is, and is not asked about.
apt_install() {
    apt_get install --no-install-recommends --no-remove \
        -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold "$@"
}

# apt_knows NAME…: a name that apt does not know it would take for a pattern
apt_knows() {
    for name; do
        apt-cache pkgnames "$name" 2>/dev/null | grep -qxF -e "$name" || return 1
    done
}

# A list of packages that is too old, or was never there, is fetched again once.
apt_installs() {
    ! apt_knows "$@" || ! apt_install "$@" || return 0
    # What it fetches may be told by one source and not by another one.
    apt_get update || :
    apt_knows "$@" || die "$* can't be installed: no source of packages that apt has here knows it"
    apt_install "$@"
}

# install_packages NAME…: nothing is asked, nothing is removed, and what is only recommended stays out. Sandbox hosts share one
# package manager, so one at a time: whatever still runs of an earlier one keeps the lock, too.
install_packages() {
    is_root || die "only root may install packages, and we are $(id -un)"
    (
        ! command -v flock >/dev/null || flock -w 600 9 || die "another installation of ours still runs on this machine"
        if command -v apt-get >/dev/null; then
            apt_installs "$@"
        elif command -v dnf >/dev/null; then
            manager dnf install -y -q --setopt=install_weak_deps=False "$@"
        elif command -v yum >/dev/null; then
            manager yum install -y -q "$@"
        elif command -v apk >/dev/null; then
            manager apk --wait 300 add "$@"
        else
            die "there is no package manager that we know: apt-get, dnf, yum or apk"
        fi || die "$* can't be installed: $why"
    ) 9</usr
}

# has_programs PACKAGE PROGRAM…
has_programs() {
    package=$1
    shift
    for name; do
        command -v "$name" >/dev/null || die "$package is installed, and there is no $name in the path"
    done
}

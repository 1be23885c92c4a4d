//! What the help of each command ends with. A test reads every example as the program would.

/// `esplan validate`.
pub(super) const VALIDATE: &str = "\
Exit codes: 0 valid, 1 there are mistakes.

Examples:
  esplan validate                      every mistake of the file and the modules, with its place
  esplan validate --format sarif > findings.sarif
                                       the same for code scanning";

/// `esplan lock`.
pub(super) const LOCK: &str = "\
Examples:
  esplan lock                          what cluster.kdl names, into the cache and cluster.lock
  esplan lock --install ~/downloads    without a network, from a folder of vendor downloads";

/// `esplan status`.
pub(super) const STATUS: &str = "\
Exit codes: 0 all is well, 1 error, 3 a host could not be observed, 4 unhealthy.

Examples:
  esplan status                        every instance, and a verdict for each service
  esplan status --format json          the same for a monitoring system
  esplan status --observed fleet.json  how it was when the snapshot was taken";

/// `esplan gates`.
pub(super) const GATES: &str = "\
Exit codes: 0 a rollout would pass, 3 a host could not be observed, 4 a gate would hold it, 7 a rule would refuse it.

Examples:
  esplan gates                         everything
  esplan gates --only node1            what runs on one host, and its services
  esplan gates --format json           for programs";

/// `esplan explain`.
pub(super) const EXPLAIN: &str = "\
Examples:
  esplan explain MODULE                its parameters, with types and defaults, its order and its gates
  esplan explain MODULE --modules /srv/modules
                                       a module of another folder";

/// `esplan diff`.
pub(super) const DIFF: &str = "\
Exit codes: 0 shown, 1 error, 2 they differ (with --detailed-exitcode).

Examples:
  git show main:cluster.kdl > old.kdl; esplan diff old.kdl cluster.kdl
                                       what a branch would change
  esplan diff --diff full --format json old.kdl cluster.kdl
                                       the same for a program, with whole diffs";

/// `esplan completions`.
pub(super) const COMPLETIONS: &str = "\
Examples:
  esplan completions bash > ~/.local/share/bash-completion/completions/esplan
  esplan completions fish --program esapply > ~/.config/fish/completions/esapply.fish";

/// `esplan man`.
pub(super) const MAN: &str = "\
Examples:
  esplan man --out ~/.local/share/man/man1
                                       then: man esplan, man esplan-status";

/// `esplan import`.
pub(super) const IMPORT: &str = "\
Examples:
  esplan import /opt/scripts --modules modules > cluster.kdl
                                       the file, with a comment wherever something could not be carried over
  esplan import /opt/scripts --out cluster.kdl && esplan validate
                                       and whether it holds";

/// `esplan fmt`.
pub(super) const FMT: &str = "\
Exit codes: 0 done, 1 a file can't be read, 2 a file is not canonical (with --check).

Examples:
  esplan fmt                           cluster.kdl and what it includes
  esplan fmt --check . modules         in a pipeline: nothing is written
  esplan fmt - < draft.kdl             standard input, to standard output";

/// `esplan graph`.
pub(super) const GRAPH: &str = "\
Examples:
  esplan graph                         the waves of a change that restarts everything
  esplan graph --format svg > order.svg
                                       the same as a picture";

/// `esplan observe`.
pub(super) const OBSERVE: &str = "\
Exit codes: 0 done, 1 error, 3 a host could not be observed; the snapshot says which.

Examples:
  esplan observe --out fleet.json      what the hosts have; it holds no secrets
  esplan --observed fleet.json         later, elsewhere: a plan of it";

/// `esplan adopt`.
pub(super) const ADOPT: &str = "\
Nothing is changed on a host. Exit codes: 0 written, 1 error, 3 a host could not be looked at.

Examples:
  esplan adopt hosts.kdl --out cluster.kdl
                                       what runs on the hosts of a file, as roles after it
  esplan adopt hosts.kdl --modules /srv/modules
                                       printed, with modules of another folder";

/// `esapply restart`.
pub(super) const RESTART: &str = "\
Nothing else is changed: what is not as declared is refused. What does not run is started.

Examples:
  esapply restart node1                what runs on one host, one after the other
  esapply restart ROLE@node1 --yes     one instance, without being asked
  esapply restart ROLE --canary-only   the first one only";

/// `esapply stop`.
pub(super) const STOP: &str = "\
What would end a service as a whole is refused as `outage`. What is held is left as it is by every plan.

Examples:
  esapply stop ROLE@node1 --why \"a new disk\"
                                       one instance; the others have to serve without it
  esapply stop node1                   all of a host, before it is shut down
  esapply stop all --waive outage=\"the room is moved\"
                                       everything, in the reverse of its order";

/// `esapply start`.
pub(super) const START: &str = "\
What is not as declared any more is refused: release it, and apply.

Examples:
  esapply start ROLE@node1             one instance, as it was
  esapply start all --yes              everything that does not run";

/// `esapply release`.
pub(super) const RELEASE: &str = "\
Examples:
  esapply release ROLE@node1           the next esapply does what the file says
  esapply release ROLE && esapply      after the reason was put right: what was rolled back is tried again";

/// `esapply rollback`.
pub(super) const ROLLBACK: &str = "\
What has no way back is refused as `no-way-back`. What is held is left as it is.

Examples:
  esapply rollback                     what the newest run has switched
  esapply rollback ROLE --canary-only  the first one of a role only
  esapply rollback ROLE@node1          one instance";

/// `esapply run`.
pub(super) const RUN: &str = "\
Exit codes: 0 the job ended with 0, 1 it did not, 3 a host could not be observed, 4 a service that it works on is
unhealthy, 6 locked by another run, 7 a rollout was left unfinished, 130 interrupted.

Examples:
  esapply run delete --dry-run         what it would do
  esapply run ROLE/delete --yes        of one of several roles, from a scheduler
  esapply run delete --on node2        on another host of its role";

/// `esapply reload`.
pub(super) const RELOAD: &str = "\
Examples:
  esapply reload ROLE                  one after the other, each seen to serve before the next";

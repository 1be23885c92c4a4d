//! Deliberate mistakes of the executor, so that the tests can prove that they would notice. They exist only with the
//! feature `mutants`, which nothing but the test suite switches on; without it every question here is `false` at
//! compile time.

use super::run::Run;

/// A deliberate mistake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(not(feature = "mutants"), expect(unreachable_pub, reason = "only tests can name it"))]
pub enum Mutation {
    /// The canary is not watched.
    SoakSkipped,
    /// What a gate answers is ignored.
    GateIgnored,
    /// Steps do not wait for those that they need.
    EdgeDropped,
    /// A batch is one instance larger than planned.
    BatchTooLarge,
    /// A setting is changed without a record of what it was.
    UndoForgotten,
    /// A saved setting is not put back.
    RestoreForgotten,
    /// The leader is taken like any other.
    LeaderNotLast,
    /// A failed instance stays as it is.
    RollbackSkipped,
    /// The rest goes on after a failure.
    GoesOnAfterFailure,
    /// An instance is started twice.
    RestartsTwice,
    /// A lock that somebody else holds is ignored.
    LockIgnored,
    /// The journal is written after the effect.
    JournalAfterEffect,
    /// Nobody asks whether an instance may be stopped.
    SafetyIgnored,
    /// Hosts are not looked at again.
    StaleIgnored,
    /// What must hold before a phase of a change is not asked.
    BeforeIgnored,
    /// What an instance keeps is not moved away before it leaves.
    DrainSkipped,
    /// What is stopped on purpose is not recorded as that.
    HoldForgotten,
    /// After a stop nobody asks whether the others serve.
    OthersIgnored,
    /// What the independent check has against a plan is ignored.
    CheckIgnored,
}

impl Run<'_> {
    /// Whether this mistake is to be made.
    #[cfg(feature = "mutants")]
    pub(crate) fn mutated(&self, mutation: Mutation) -> bool {
        self.options.mutation == Some(mutation)
    }

    /// Never.
    #[cfg(not(feature = "mutants"))]
    #[expect(clippy::unused_self, reason = "the same signature as with the feature")]
    pub(crate) const fn mutated(&self, _: Mutation) -> bool {
        false
    }
}

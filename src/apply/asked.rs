//! As what an instance is asked: as it is declared once it has been switched to that; as what it has before, and after it went back.

use super::run::Run;
use crate::desired::DesiredInstance;
use crate::host::Question;
use crate::inventory::version_in;
use crate::model::{Digest, InstanceId, Version};

impl Run<'_> {
    /// An instance has another generation now: what is declared, or what it goes back to.
    pub(crate) fn switched(&self, id: &InstanceId, to: Digest, declared: bool) {
        self.state().switched.insert(id.clone(), to);
        self.platform.services().switched(id, declared);
    }

    /// Whether it serves as what the generation is that is current for it now.
    pub(crate) fn serving(&self, id: &InstanceId) -> Question {
        let switched = self.state().switched.get(id).copied();
        let seen = || self.observed(&id.host)?.instances.get(id.role.as_str())?.current;
        let current = switched.or_else(seen);
        let one = self.desired.instances.get(id);
        match one.zip(current).and_then(|(one, current)| self.version_of(one, current)) {
            Some(version) => Question::Serves { instance: id.clone(), version: Some(version) },
            None => Question::Ready(id.clone()),
        }
    }

    /// The version of a generation that was there before the run; of what this run has written it is the declared one.
    fn version_of(&self, one: &DesiredInstance, generation: Digest) -> Option<Version> {
        if generation == one.content_generation {
            return None;
        }
        let seen = self.observed(&one.id.host)?.instances.get(one.id.role.as_str())?;
        let module = &one.module.name.value;
        if seen.current == Some(generation) {
            return seen.version_of(module);
        }
        let before = seen.previous.as_ref().filter(|before| before.generation == generation)?;
        before.software.iter().find_map(|folder| version_in(module.as_str(), folder))
    }
}

//! The seam with the values of secrets masked in everything that comes from outside: contents of files, answers of
//! services, error messages, last lines of logs. What is behind it can show and record whatever it is given.

use super::{
    Claim, HookTime, Host, HostError, JobEnd, Life, LockGuard, Op, Question, Services, Wanted, WantedJournals,
};
use crate::desired::{DesiredHost, DesiredInstance, DesiredJob};
use crate::history::JournalText;
use crate::inventory::{Found, HostObservation, Verdict};
use crate::model::{InstanceId, Name, Secret, ServiceName};
use async_trait::async_trait;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Shorter values are not looked for: they would be found in everything.
const SHORTEST: usize = 4;

/// Replaces values of secrets by their names.
#[derive(Debug, Clone, Default)]
pub struct Masker {
    /// What is looked for, the longest first, and what stands for it.
    values: Arc<[(crate::model::Hidden, String)]>,
}

impl Masker {
    /// For these secrets; those whose values are not known can't be found.
    pub fn of(secrets: &BTreeMap<String, Secret>) -> Self {
        let mut values = Vec::new();
        for (name, secret) in secrets {
            for value in secret.value().into_iter().chain(secret.previous()) {
                let json = serde_json::to_string(value.expose()).unwrap_or_default();
                // Whole, as it is inside of JSON, and each line of it.
                let forms = [value.expose(), json.trim_matches('"')].into_iter().chain(value.expose().lines());
                for form in forms.filter(|form| form.len() >= SHORTEST) {
                    values.push((crate::model::Hidden::new(form), format!("<secret {name}>")));
                }
            }
        }
        values.sort_by(|(a, _), (b, _)| b.expose().len().cmp(&a.expose().len()).then(a.expose().cmp(b.expose())));
        values.dedup_by(|(a, _), (b, _)| a == b);
        Self { values: values.into() }
    }

    /// Whether there is anything to mask.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// A text without values of secrets.
    pub fn mask(&self, text: &mut String) {
        for (value, name) in self.values.iter() {
            if text.contains(value.expose()) {
                *text = text.replace(value.expose(), name);
            }
        }
    }

    fn masked(&self, mut text: String) -> String {
        self.mask(&mut text);
        text
    }

    fn error(&self, error: HostError) -> HostError {
        HostError { message: self.masked(error.message), ..error }
    }

    fn observation(&self, seen: &mut HostObservation) {
        for instance in seen.instances.values_mut() {
            for content in instance.files.values_mut().filter_map(|file| file.content.as_mut()) {
                self.mask(content);
            }
            if let Some(about) = &mut instance.about {
                self.mask(about);
            }
            if let Some(held) = &mut instance.held {
                self.mask(&mut held.by);
                self.mask(&mut held.why);
            }
        }
        seen.debris.iter_mut().for_each(|path| self.mask(path));
    }
}

/// A host behind the mask.
pub struct MaskedHost {
    host: Arc<dyn Host>,
    masker: Masker,
}

impl MaskedHost {
    /// Puts the mask before a host.
    pub fn new(host: Arc<dyn Host>, masker: Masker) -> Self {
        Self { host, masker }
    }
}

#[async_trait]
impl Host for MaskedHost {
    async fn observe(&self, wanted: &Wanted) -> Result<HostObservation, HostError> {
        let mut seen = self.host.observe(wanted).await.map_err(|error| self.masker.error(error))?;
        self.masker.observation(&mut seen);
        Ok(seen)
    }

    async fn seek(&self, request: &str) -> Result<Vec<Found>, HostError> {
        self.host.seek(request).await.map_err(|error| self.masker.error(error))
    }

    async fn run(&self, op: &Op) -> Result<(), HostError> {
        self.host.run(op).await.map_err(|error| self.masker.error(error))
    }

    async fn life(&self, instance: &DesiredInstance) -> Result<Life, HostError> {
        match self.host.life(instance).await.map_err(|error| self.masker.error(error))? {
            Life::Down { gave_up, why } => Ok(Life::Down { gave_up, why: self.masker.masked(why) }),
            running @ Life::Running { .. } => Ok(running),
        }
    }

    async fn tail(&self, instance: &DesiredInstance, lines: usize) -> Result<Vec<String>, HostError> {
        let lines = self.host.tail(instance, lines).await.map_err(|error| self.masker.error(error))?;
        Ok(lines.into_iter().map(|line| self.masker.masked(line)).collect())
    }

    async fn journals(&self, prefix: &str, wanted: &WantedJournals) -> Result<Vec<JournalText>, HostError> {
        let mut journals = self.host.journals(prefix, wanted).await.map_err(|error| self.masker.error(error))?;
        journals.iter_mut().flat_map(|journal| &mut journal.lines).for_each(|line| self.masker.mask(line));
        Ok(journals)
    }

    async fn job(&self, host: &DesiredHost, job: &DesiredJob, dry_run: bool) -> Result<JobEnd, HostError> {
        let end = self.host.job(host, job, dry_run).await.map_err(|error| self.masker.error(error))?;
        Ok(JobEnd { printed: self.masker.masked(end.printed), ..end })
    }

    async fn lock(&self, prefix: &str, claim: &Claim) -> Result<Box<dyn LockGuard>, HostError> {
        self.host.lock(prefix, claim).await.map_err(|error| self.masker.error(error))
    }
}

/// Services behind the mask. Values of settings go through as they are: they are put back later, and only compared.
pub struct MaskedServices {
    services: Arc<dyn Services>,
    masker: Masker,
}

impl MaskedServices {
    /// Puts the mask before services.
    pub fn new(services: Arc<dyn Services>, masker: Masker) -> Self {
        Self { services, masker }
    }
}

#[async_trait]
impl Services for MaskedServices {
    async fn ask(&self, question: &Question) -> Verdict {
        let verdict = self.services.ask(question).await;
        Verdict { says: self.masker.masked(verdict.says), ..verdict }
    }

    fn switched(&self, instance: &InstanceId, declared: bool) {
        self.services.switched(instance, declared);
    }

    async fn read_setting(&self, service: &ServiceName, setting: &Name) -> Result<serde_json::Value, String> {
        self.services.read_setting(service, setting).await.map_err(|why| self.masker.masked(why))
    }

    async fn write_setting(
        &self,
        service: &ServiceName,
        setting: &Name,
        value: &serde_json::Value,
    ) -> Result<(), String> {
        self.services.write_setting(service, setting, value).await.map_err(|why| self.masker.masked(why))
    }

    async fn read_own_setting(&self, instance: &InstanceId, setting: &Name) -> Result<serde_json::Value, String> {
        self.services.read_own_setting(instance, setting).await.map_err(|why| self.masker.masked(why))
    }

    async fn write_own_setting(
        &self,
        instance: &InstanceId,
        setting: &Name,
        value: &serde_json::Value,
    ) -> Result<(), String> {
        self.services.write_own_setting(instance, setting, value).await.map_err(|why| self.masker.masked(why))
    }

    async fn call(&self, instance: &InstanceId, when: HookTime, index: usize) -> Result<(), String> {
        self.services.call(instance, when, index).await.map_err(|why| self.masker.masked(why))
    }

    async fn left(&self, instance: &InstanceId) -> Result<Vec<serde_json::Value>, String> {
        self.services.left(instance).await.map_err(|why| self.masker.masked(why))
    }

    async fn stuck(&self, instance: &InstanceId, left: &[serde_json::Value]) -> Option<String> {
        self.services.stuck(instance, left).await.map(|why| self.masker.masked(why))
    }

    async fn status(&self, service: &ServiceName) -> Vec<String> {
        let lines = self.services.status(service).await;
        lines.into_iter().map(|line| self.masker.masked(line)).collect()
    }
}

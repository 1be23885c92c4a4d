//! Jobs: a folder with files, a command in it, and nothing left.

use super::Transport;
use super::machine::{Calls, Machine, service_user};
use super::records::is_file_name;
use crate::desired::{DesiredHost, DesiredJob, Place};
use crate::host::{Failure, HostError, JobEnd};
use std::time::Duration;

/// The function that runs one.
const JOBS: &str = include_str!("jobs.sh");
/// Most bytes that are kept of what it prints: the last ones.
const PRINTED: &str = "262144";
/// Beside the time that the job itself may take: its folder, and a slow connection.
const BESIDE: Duration = Duration::from_secs(30);
/// Removing a small folder.
const REMOVE_WITHIN: Duration = Duration::from_secs(30);

impl<T: Transport> Machine<T> {
    /// Runs a job to its end.
    pub(super) async fn run_job(
        &self,
        host: &DesiredHost,
        job: &DesiredJob,
        dry_run: bool,
    ) -> Result<JobEnd, HostError> {
        let what = format!("running {job}");
        let stop = |why: String| self.error(Failure::Stop, format!("{what}: {why}"));
        let name = job.folder.rsplit('/').next().filter(|name| is_file_name(name)).unwrap_or_default();
        let words = if dry_run { &job.dry_run } else { &job.command };
        if name.is_empty() || words.is_empty() {
            return Err(stop("there is no such command".to_owned()));
        }
        let tar = archive(job).map_err(stop)?;
        let variables: Vec<String> = job.env.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let mut calls = Calls::default();
        let fixed = [name, service_user(host), PRINTED, "env", "-i"].into_iter();
        calls.add("job", fixed.chain(variables.iter().chain(words).map(String::as_str)));
        let ran = self.change_with(JOBS, &what, &host.prefix, &calls, tar, job.within + BESIDE);
        let printed = match tokio::time::timeout(job.within, ran).await {
            Ok(Ok(printed)) => printed,
            ended => {
                // It was ended with everything that it had started: its folder may hold secrets.
                let calls = Calls::one("rm", ["-rf", "--", &format!("run/{name}"), &format!("run/{name}.code")]);
                let removed = self.change("removing a job's folder", &host.prefix, &calls, Vec::new(), REMOVE_WITHIN);
                let removed = removed.await;
                let Ok(Err(error)) = ended else {
                    let limit = job.within.as_secs();
                    return Err(stop(format!("it did not end within {limit} s, and was ended")));
                };
                return Err(removed.err().unwrap_or(error));
            }
        };
        let text = String::from_utf8_lossy(&printed).into_owned();
        let (printed, status) = text.trim_end_matches('\n').rsplit_once('\n').unwrap_or(("", text.trim()));
        let status: i32 = status.parse().map_err(|_| stop("it did not say how it ended".to_owned()))?;
        // What a shell says of one that a signal has ended.
        Ok(JobEnd { status: Some(status).filter(|status| *status <= 128), printed: printed.to_owned() })
    }
}

/// The job's files.
fn archive(job: &DesiredJob) -> Result<Vec<u8>, String> {
    let mut tar = tar::Builder::new(Vec::new());
    for file in job.files.iter() {
        let (Place::Generation(path) | Place::Absolute(path)) = &file.place;
        let bytes = file.bytes().ok_or("the value of a secret in its files is not known here")?.as_bytes();
        if !is_file_name(path) {
            return Err(format!("{path:?} is no file of a job"));
        }
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(file.mode & 0o777);
        header.set_entry_type(tar::EntryType::Regular);
        tar.append_data(&mut header, path, bytes).map_err(|error| format!("{path}: {error}"))?;
    }
    tar.into_inner().map_err(|error| error.to_string())
}

//! Fetches what a recipe says into the store. Each kind of source has its file here.

mod deb;
mod local;
mod maven;
mod pypi;
mod url;

use super::checksum::{self, Algorithm};
use super::recipe::{Kind, Recipe};
use super::{ArtifactError, Cache, Clients};
use crate::lock::LockedFile;
use std::fs;
use std::path::{Path, PathBuf};

/// What may be fetched, and with what.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fetcher<'a> {
    pub(super) cache: &'a Cache,
    pub(super) clients: &'a Clients,
    /// Folders of vendor files, in order.
    pub(super) vendor: &'a [PathBuf],
    /// Largest file in bytes.
    pub(super) limit: u64,
}

impl Fetcher<'_> {
    /// Fetches one recipe; none of Maven's, which go together through [`Fetcher::maven`], and nothing for `system`.
    pub(super) async fn one(&self, recipe: &Recipe) -> Result<Vec<LockedFile>, ArtifactError> {
        match &recipe.kind {
            Kind::File { name } => self.local(name),
            Kind::Url { url, sha512 } => self.url(url, sha512.as_deref()).await,
            Kind::Pypi { requirements } => self.pypi(requirements).await,
            Kind::Deb { package } => self.deb(package).await,
            Kind::System { .. } => Ok(Vec::new()),
            Kind::Maven { .. } => self.maven(&[recipe]).await.pop().unwrap_or(Err(ArtifactError::Interrupted)),
        }
    }

    /// Takes the only file in `folder` whose name ends in `extension`.
    fn only(
        &self,
        client: &'static str,
        asked: &str,
        folder: &Path,
        extension: &str,
    ) -> Result<LockedFile, ArtifactError> {
        let mut files = files_in(folder)?;
        files.retain(|path| path.extension().is_some_and(|end| end == extension));
        match files.as_slice() {
            [file] => self.admit(file),
            files => Err(ArtifactError::Unexpected {
                client,
                expected: format!("one .{extension} file for {asked}"),
                found: format!("{} files", files.len()),
            }),
        }
    }

    fn admit(&self, path: &Path) -> Result<LockedFile, ArtifactError> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        self.cache.admit(path, &name, self.limit)
    }

    /// Compares a file with the checksum files that are beside it.
    fn check_beside(file: &Path) -> Result<(), ArtifactError> {
        for algorithm in [Algorithm::Sha512, Algorithm::Sha1] {
            let mut name = file.as_os_str().to_owned();
            name.push(algorithm.extension());
            let sums = PathBuf::from(name);
            if let Ok(text) = fs::read_to_string(&sums)
                && let Some(published) = checksum::published(&text, algorithm)
            {
                checksum::compare(file, algorithm, &published, &sums.display().to_string())?;
            }
        }
        Ok(())
    }
}

/// The regular files of a folder, sorted.
fn files_in(folder: &Path) -> Result<Vec<PathBuf>, ArtifactError> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(ArtifactError::disk("read", folder))? {
        let entry = entry.map_err(ArtifactError::disk("read", folder))?;
        if entry.file_type().is_ok_and(|kind| kind.is_file()) {
            files.push(entry.path());
        }
    }
    files.sort();
    Ok(files)
}

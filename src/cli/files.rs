//! The disk as [`crate::config::Files`].

use crate::config::Files;
use std::fs::{self, File};
use std::io::{ErrorKind, Read};

/// Names that one folder may have: more is a folder that was named by mistake.
const MOST_NAMES: usize = 10_000;

/// Files of this machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct DiskFiles;

impl Files for DiskFiles {
    fn read(&self, path: &str, limit: u64) -> Result<Vec<u8>, String> {
        // Looked at before it is opened: opening a pipe would wait for its other end.
        let about = fs::metadata(path).map_err(|error| why(&error))?;
        if !about.is_file() {
            return Err("it is not a plain file".to_owned());
        }
        if about.len() > limit {
            return Err(format!("it has {} bytes, more than {limit}", about.len()));
        }
        let file = File::open(path).map_err(|error| why(&error))?;
        // A file may grow while it is read, so the limit holds here too.
        let mut bytes = Vec::new();
        file.take(limit + 1).read_to_end(&mut bytes).map_err(|error| why(&error))?;
        if bytes.len() as u64 > limit {
            return Err(format!("it has more than {limit} bytes"));
        }
        Ok(bytes)
    }

    fn list(&self, folder: &str) -> Result<Vec<String>, String> {
        let mut names = Vec::new();
        for entry in fs::read_dir(folder).map_err(|error| why(&error))? {
            let entry = entry.map_err(|error| why(&error))?;
            let plain = fs::metadata(entry.path()).is_ok_and(|about| about.is_file());
            if let Some(name) = entry.file_name().to_str().filter(|_| plain) {
                names.push(name.to_owned());
            }
            if names.len() > MOST_NAMES {
                return Err(format!("it has more than {MOST_NAMES} files"));
            }
        }
        names.sort_unstable();
        Ok(names)
    }
}

/// The system's words for the usual cases, without error numbers.
fn why(error: &std::io::Error) -> String {
    match error.kind() {
        ErrorKind::NotFound => "no such file or folder".to_owned(),
        ErrorKind::PermissionDenied => "permission denied".to_owned(),
        _ => error.to_string(),
    }
}

//! Reads zip archives: zips, wheels, jars.

use super::Target;
use super::refusal::Refusal;
use std::cell::Cell;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::rc::Rc;
use zip::ZipArchive;
use zip::result::ZipError;

/// Bytes that may be read before the first entry: the directory at the end, which the library keeps in memory.
const MAX_DIRECTORY: u64 = 12 * 1024 * 1024;
/// Longest target of a symbolic link.
const MAX_LINK: u64 = 4096;

const TYPE_BITS: u32 = 0o170_000;

/// A reader that stops when its budget is used up; `None` has no limit.
struct Budgeted<R> {
    inner: R,
    left: Rc<Cell<Option<u64>>>,
}

impl<R: Read> Read for Budgeted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        if let Some(left) = self.left.get() {
            let Some(left) = left.checked_sub(count as u64) else {
                return Err(Refusal::TooMuch { limit: MAX_DIRECTORY, what: "bytes in its table of contents" }.into_io());
            };
            self.left.set(Some(left));
        }
        Ok(count)
    }
}

impl<R: Seek> Seek for Budgeted<R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.inner.seek(to)
    }
}

/// Takes every entry of a zip.
pub(super) fn read(file: &File, target: &mut Target<'_>) -> Result<(), Refusal> {
    let left = Rc::new(Cell::new(Some(MAX_DIRECTORY)));
    let reader = Budgeted { inner: BufReader::new(file), left: Rc::clone(&left) };
    let mut archive = ZipArchive::new(reader).map_err(refusal)?;
    left.set(None);
    if archive.has_duplicate_names() {
        return Err(Refusal::path(b"", "comes twice: the table of contents names a file more than once"));
    }
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).map_err(refusal)?;
        let raw = entry.name_raw().to_vec();
        let mode = entry.unix_mode().unwrap_or(0o100_644);
        let executable = mode & 0o111 != 0;
        match mode & TYPE_BITS {
            _ if raw.ends_with(b"/") => target.folder(&raw)?,
            0o040_000 => target.folder(&raw)?,
            0o120_000 => {
                let mut link = Vec::new();
                entry.by_ref().take(MAX_LINK).read_to_end(&mut link).map_err(Refusal::read)?;
                target.link(&raw, &link)?;
            }
            0 | 0o100_000 => target.file(&raw, executable, &mut entry)?,
            _ => target.other(&raw, "a device, pipe or socket")?,
        }
    }
    Ok(())
}

fn refusal(error: ZipError) -> Refusal {
    match error {
        ZipError::Io(error) => Refusal::read(error),
        ZipError::CompressionMethodNotSupported(_) | ZipError::UnsupportedArchive(_) => Refusal::Unsupported {
            what: "an encrypted zip, or one with another compression than deflate,",
            way_out: "pack it again with an ordinary zip program",
        },
        other => Refusal::Damaged(other.to_string()),
    }
}

//! Reads tar archives. Long names and pax records are read here, with limits: the library would hold them in memory
//! whole, whatever their size.

use super::Target;
use super::refusal::Refusal;
use std::io::Read;
use tar::{Archive, EntryType, PaxExtensions};

/// Longest name or block of pax records.
const MAX_EXTENSION: u64 = 64 * 1024;

/// What extension entries say about the entry that follows them.
#[derive(Debug, Default)]
struct Pending {
    name: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    size: Option<u64>,
}

/// Takes every entry of a tar stream.
pub(super) fn read(stream: impl Read, target: &mut Target<'_>) -> Result<(), Refusal> {
    let mut archive = Archive::new(stream);
    let mut pending = Pending::default();
    for entry in archive.entries().map_err(Refusal::read)?.raw(true) {
        let mut entry = entry.map_err(Refusal::read)?;
        let kind = entry.header().entry_type();
        match kind {
            EntryType::GNULongName => pending.name = Some(text(&mut entry)?),
            EntryType::GNULongLink => pending.link = Some(text(&mut entry)?),
            EntryType::XHeader => pax(&extension(&mut entry)?, &mut pending)?,
            EntryType::XGlobalHeader => drop(extension(&mut entry)?),
            kind => {
                let said = std::mem::take(&mut pending);
                let header = entry.header();
                let raw = said.name.unwrap_or_else(|| header.path_bytes().into_owned());
                let size = header.entry_size().map_err(Refusal::read)?;
                if said.size.is_some_and(|said| said != size) {
                    return Err(Refusal::path(&raw, "has two sizes that contradict each other"));
                }
                let executable = header.mode().map_err(Refusal::read)? & 0o111 != 0;
                let link = said.link.or_else(|| header.link_name_bytes().map(std::borrow::Cow::into_owned));
                take(target, kind, &raw, link, executable, &mut entry)?;
            }
        }
    }
    // The rest is padding; reading it makes a compressed stream check its own checksum.
    std::io::copy(&mut archive.into_inner(), &mut std::io::sink()).map_err(Refusal::read)?;
    Ok(())
}

fn take(
    target: &mut Target<'_>,
    kind: EntryType,
    raw: &[u8],
    link: Option<Vec<u8>>,
    executable: bool,
    content: &mut impl Read,
) -> Result<(), Refusal> {
    let old_folder = raw.ends_with(b"/");
    match kind {
        EntryType::Directory => target.folder(raw),
        EntryType::Regular | EntryType::Continuous if old_folder => target.folder(raw),
        EntryType::Regular | EntryType::Continuous => target.file(raw, executable, content),
        EntryType::Symlink => target.link(raw, &link.unwrap_or_default()),
        EntryType::Link => target.other(raw, "a hard link"),
        EntryType::Char | EntryType::Block => target.other(raw, "a device"),
        EntryType::Fifo => target.other(raw, "a named pipe"),
        EntryType::GNUSparse => target.other(raw, "a sparse file"),
        other => target.other(raw, &format!("of the unknown kind {:?}", char::from(other.as_byte()))),
    }
}

fn extension(entry: &mut impl Read) -> Result<Vec<u8>, Refusal> {
    let mut bytes = Vec::new();
    entry.take(MAX_EXTENSION + 1).read_to_end(&mut bytes).map_err(Refusal::read)?;
    if bytes.len() as u64 > MAX_EXTENSION {
        return Err(Refusal::TooMuch { limit: MAX_EXTENSION, what: "bytes in the name of one entry" });
    }
    Ok(bytes)
}

fn text(entry: &mut impl Read) -> Result<Vec<u8>, Refusal> {
    let mut bytes = extension(entry)?;
    if let Some(end) = bytes.iter().position(|byte| *byte == 0) {
        bytes.truncate(end);
    }
    Ok(bytes)
}

fn pax(records: &[u8], pending: &mut Pending) -> Result<(), Refusal> {
    for record in PaxExtensions::new(records) {
        let record = record.map_err(Refusal::read)?;
        match record.key_bytes() {
            b"path" => pending.name = Some(record.value_bytes().to_vec()),
            b"linkpath" => pending.link = Some(record.value_bytes().to_vec()),
            b"size" => {
                let size = record.value().ok().and_then(|text| text.parse().ok());
                pending.size = Some(size.ok_or_else(|| Refusal::Damaged("a pax size is not a number".to_owned()))?);
            }
            key if key.starts_with(b"GNU.sparse") => return Err(Refusal::kind(key, "of a sparse file")),
            _ => {}
        }
    }
    Ok(())
}

//! Forms of archives, told apart by their first bytes, and streams that are decompressed with limits.

use super::refusal::Refusal;
use flate2::read::MultiGzDecoder;
use std::io::{self, BufReader, Read};
use xz2::read::XzDecoder;
use xz2::stream::{CONCATENATED, Stream};

/// Memory that decompressing xz may take; `xz -9` needs 65 MiB.
const XZ_MEMORY: u64 = 80 * 1024 * 1024;

/// The form of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Zip,
    Tar,
    Gzip,
    Xz,
    Zstd,
    Bzip2,
    Ar,
    Unknown,
}

/// How many bytes [`Form::of`] looks at.
pub(super) const PEEK: usize = 512;

impl Form {
    /// Looks at the first bytes of a file.
    pub(super) fn of(start: &[u8]) -> Self {
        match start {
            [b'P', b'K', 3, 4, ..] | [b'P', b'K', 5, 6, ..] => Self::Zip,
            [0x1f, 0x8b, ..] => Self::Gzip,
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Self::Xz,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Self::Zstd,
            [b'B', b'Z', b'h', ..] => Self::Bzip2,
            [b'!', b'<', b'a', b'r', b'c', b'h', b'>', b'\n', ..] => Self::Ar,
            start if start.len() >= 262 && &start[257..262] == b"ustar" => Self::Tar,
            start if old_tar(start) => Self::Tar,
            _ => Self::Unknown,
        }
    }
}

/// Whether the first block is a tar header of the time before `ustar`: its checksum is right.
fn old_tar(start: &[u8]) -> bool {
    let Some(block) = start.get(..512) else { return false };
    let Ok(text) = std::str::from_utf8(&block[148..156]) else { return false };
    let text = text.trim_matches([' ', '\0']);
    let sum: u64 =
        block.iter().enumerate().map(|(i, b)| if (148..156).contains(&i) { 32 } else { u64::from(*b) }).sum();
    !text.is_empty() && u64::from_str_radix(text, 8) == Ok(sum)
}

/// A stream that fails when it gives more than `left` bytes.
struct Bounded<R> {
    inner: R,
    left: u64,
    limit: u64,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.left = self
            .left
            .checked_sub(count as u64)
            .ok_or_else(|| Refusal::TooMuch { limit: self.limit, what: "unpacked bytes" }.into_io())?;
        Ok(count)
    }
}

/// The tar stream inside `input`, decompressed as its first bytes say, of at most `limit` bytes.
pub(super) fn tar_stream<'a>(input: impl Read + 'a, limit: u64) -> Result<Box<dyn Read + 'a>, Refusal> {
    let mut input = BufReader::new(input);
    let mut start = Vec::with_capacity(PEEK);
    input.by_ref().take(PEEK as u64).read_to_end(&mut start).map_err(Refusal::read)?;
    let form = Form::of(&start);
    let whole = io::Cursor::new(start).chain(input);
    let unpacked: Box<dyn Read + 'a> = match form {
        Form::Tar => Box::new(whole),
        Form::Gzip => Box::new(MultiGzDecoder::new(whole)),
        Form::Xz => {
            let stream = Stream::new_stream_decoder(XZ_MEMORY, CONCATENATED)
                .map_err(|error| Refusal::Damaged(error.to_string()))?;
            Box::new(XzDecoder::new_stream(whole, stream))
        }
        Form::Zstd => {
            return Err(Refusal::Unsupported {
                what: "a zstd archive",
                way_out: "pack it again with gzip or xz, or use another source",
            });
        }
        Form::Bzip2 => {
            return Err(Refusal::Unsupported {
                what: "a bzip2 archive",
                way_out: "pack it again with gzip or xz, or use another source",
            });
        }
        Form::Zip | Form::Ar | Form::Unknown => return Err(Refusal::Damaged("no tar archive inside".to_owned())),
    };
    Ok(Box::new(Bounded { inner: unpacked, left: limit, limit }))
}

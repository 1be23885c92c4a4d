//! Reads Debian packages: an `ar` archive whose member `data.tar.*` holds the files. Maintainer scripts are not run.

use super::refusal::Refusal;
use super::{Target, stream, tar};
use std::fs::File;
use std::io::{BufReader, Read};

/// Members that are looked at before giving up: a package has three.
const MAX_MEMBERS: usize = 16;

/// Takes every file of a Debian package.
pub(super) fn read(file: &File, target: &mut Target<'_>) -> Result<(), Refusal> {
    let mut input = BufReader::new(file);
    let mut magic = [0u8; 8];
    input.read_exact(&mut magic).map_err(Refusal::read)?;
    for _ in 0..MAX_MEMBERS {
        let mut header = [0u8; 60];
        input.read_exact(&mut header).map_err(Refusal::read)?;
        let field = |range: std::ops::Range<usize>| std::str::from_utf8(&header[range]).map(str::trim_end);
        let size = field(48..58).ok().and_then(|text| text.parse::<u64>().ok());
        let (Some(size), Ok(name), b"`\n") = (size, field(0..16), &header[58..60]) else {
            return Err(Refusal::Damaged("a member of the package has no valid header".to_owned()));
        };
        if name.trim_end_matches('/').starts_with("data.tar") {
            let limit = target.limits().stream;
            return tar::read(stream::tar_stream(input.take(size), limit)?, target);
        }
        let padded = size.saturating_add(size % 2);
        let skipped = std::io::copy(&mut input.by_ref().take(padded), &mut std::io::sink()).map_err(Refusal::read)?;
        if skipped < padded {
            break;
        }
    }
    Err(Refusal::Damaged("the package has no data.tar".to_owned()))
}

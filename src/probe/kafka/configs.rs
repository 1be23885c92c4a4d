//! The configuration of one broker: what is in force, and what is changed while it runs.
//!
//! Every broker since 1.1 can be told to go on with other values. Since 2.3 a request names what changes
//! (`IncrementalAlterConfigs`). Before, a request says all that a broker has been told (`AlterConfigs`), and what it leaves
//! out is forgotten; so that what others have told it stays, it is read first.

use super::{Bytes, CORRELATION};
use super::{ask, framed, garbage, understands, which_requests};
use crate::probe::answer::ProbeError;
use crate::remote::Stream;
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;

/// Names, and their values; without a value what the broker was told is taken back.
pub(in super::super) type Changes = Vec<(String, Option<String>)>;

/// The kind of resource that a broker is.
const BROKER: i8 = 4;

/// Where a value is from that this one broker was told while it ran.
const TOLD: i8 = 2;

/// A broker takes over what it was told a moment after it has answered: how long that is waited for.
const TAKES_OVER: (u32, Duration) = (40, Duration::from_millis(50));

/// One entry of a broker's configuration.
#[derive(Debug, PartialEq, Eq)]
struct Entry {
    /// `None` is a value that is not told: a secret.
    value: Option<String>,
    /// Whether this one broker was told it while it ran.
    told: bool,
}

type Entries = BTreeMap<String, Entry>;

/// Changes what is to be changed, and reads what is in force.
pub(super) async fn exchange(stream: &mut dyn Stream, broker: &str, set: &Changes) -> Result<Value, ProbeError> {
    let mut now = described(&ask(stream, &describe(broker)?).await?)?;
    if !set.is_empty() {
        let understood = understands(&ask(stream, &which_requests()).await?)?;
        let request = if understood.get("44").is_some() { change(broker, set)? } else { replace(broker, set, &now)? };
        altered(&ask(stream, &request).await?)?;
        let (tries, pause) = TAKES_OVER;
        for _ in 0..tries {
            now = described(&ask(stream, &describe(broker)?).await?)?;
            if set.iter().all(|(name, value)| in_force(&now, name, value.as_deref())) {
                break;
            }
            tokio::time::sleep(pause).await;
        }
    }
    Ok(Value::Object(now.into_iter().map(|(name, entry)| (name, entry.value.into())).collect()))
}

fn in_force(now: &Entries, name: &str, value: Option<&str>) -> bool {
    now.get(name).is_some_and(|entry| match value {
        Some(value) => entry.value.as_deref() == Some(value),
        None => !entry.told,
    })
}

/// `DescribeConfigs` v1: everything about one broker, which only that broker itself can tell.
fn describe(broker: &str) -> Result<Vec<u8>, ProbeError> {
    let mut says = resource(broker)?;
    says.extend((-1i32).to_be_bytes());
    says.push(0); // not where else a value could be from
    Ok(framed(32, 1, &says))
}

/// `IncrementalAlterConfigs` v0: set or take back what is named.
fn change(broker: &str, set: &Changes) -> Result<Vec<u8>, ProbeError> {
    let mut says = resource(broker)?;
    says.extend(count(set.len())?.to_be_bytes());
    for (name, value) in set {
        text(&mut says, Some(name))?;
        says.push(u8::from(value.is_none()));
        text(&mut says, value.as_deref())?;
    }
    says.push(0); // not only tried
    Ok(framed(44, 0, &says))
}

/// `AlterConfigs` v0: all that the broker is to have been told.
fn replace(broker: &str, set: &Changes, now: &Entries) -> Result<Vec<u8>, ProbeError> {
    let mut all: BTreeMap<&str, &str> = BTreeMap::new();
    let ours = |name: &String| set.iter().any(|(other, _)| other == name);
    for (name, entry) in now.iter().filter(|(name, entry)| entry.told && !ours(name)) {
        let lost = || ProbeError::Refused(format!("it was told `{name}`, a secret, which would be forgotten"));
        all.insert(name, entry.value.as_deref().ok_or_else(lost)?);
    }
    all.extend(set.iter().filter_map(|(name, value)| Some((name.as_str(), value.as_deref()?))));
    let mut says = resource(broker)?;
    says.extend(count(all.len())?.to_be_bytes());
    for (name, value) in all {
        text(&mut says, Some(name))?;
        text(&mut says, Some(value))?;
    }
    says.push(0); // not only tried
    Ok(framed(33, 0, &says))
}

/// An array of one: the broker.
fn resource(broker: &str) -> Result<Vec<u8>, ProbeError> {
    let mut says = 1i32.to_be_bytes().to_vec();
    says.extend(BROKER.to_be_bytes());
    text(&mut says, Some(broker))?;
    Ok(says)
}

pub(super) fn count(length: usize) -> Result<i32, ProbeError> {
    i32::try_from(length).map_err(|_| ProbeError::Request("too many values".to_owned()))
}

/// A text, or none.
pub(super) fn text(says: &mut Vec<u8>, text: Option<&str>) -> Result<(), ProbeError> {
    let length = text.map_or(Ok(-1), |text| i16::try_from(text.len()));
    let length = length.map_err(|_| ProbeError::Request("a value of more than 32767 bytes".to_owned()))?;
    says.extend(length.to_be_bytes());
    says.extend(text.unwrap_or_default().as_bytes());
    Ok(())
}

/// What an answer says of its one resource, after the time that it was held back.
fn answer(bytes: &[u8]) -> Result<Bytes<'_>, ProbeError> {
    let mut bytes = Bytes(bytes);
    if bytes.int32()? != CORRELATION {
        return Err(garbage("it answers another request"));
    }
    let _held_back = bytes.int32()?;
    if bytes.int32()? != 1 {
        return Err(garbage("it does not answer for the one broker that it was asked about"));
    }
    let (code, why) = (bytes.int16()?, bytes.text()?);
    if code != 0 {
        return Err(ProbeError::Refused(format!("error {code}: {why}")));
    }
    Ok(bytes)
}

fn altered(bytes: &[u8]) -> Result<(), ProbeError> {
    answer(bytes).map(|_| ())
}

/// `DescribeConfigs` v1.
fn described(bytes: &[u8]) -> Result<Entries, ProbeError> {
    let mut bytes = answer(bytes)?;
    let (_kind, _name) = (bytes.int8()?, bytes.text()?);
    let mut entries = Entries::new();
    bytes.array(|bytes| {
        let (name, value) = (bytes.text()?, bytes.maybe()?);
        let (_read_only, from, secret) = (bytes.int8()?, bytes.int8()?, bytes.int8()?);
        bytes.array(|bytes| Ok((bytes.text()?, bytes.text()?, bytes.int8()?)))?;
        entries.insert(name, Entry { value: value.filter(|_| secret == 0), told: from == TOLD });
        Ok(())
    })?;
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::{CORRELATION, Changes, Entry, described, exchange, replace, text};
    use crate::probe::answer::ProbeError;
    use serde_json::json;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};

    /// Name, value, where it is from, whether it is a secret.
    type Told<'a> = (&'a str, &'a str, i8, bool);

    fn head(code: i16) -> Vec<u8> {
        let mut bytes = CORRELATION.to_be_bytes().to_vec();
        bytes.extend(0i32.to_be_bytes());
        bytes.extend(1i32.to_be_bytes());
        bytes.extend(code.to_be_bytes());
        text(&mut bytes, (code != 0).then_some("not so")).unwrap();
        bytes.push(4);
        text(&mut bytes, Some("7")).unwrap();
        bytes
    }

    fn says(entries: &[Told<'_>]) -> Vec<u8> {
        let mut bytes = head(0);
        bytes.extend(i32::try_from(entries.len()).unwrap().to_be_bytes());
        for (name, value, from, secret) in entries {
            text(&mut bytes, Some(name)).unwrap();
            text(&mut bytes, (!secret).then_some(*value)).unwrap();
            bytes.extend([0, from.to_be_bytes()[0], u8::from(*secret)]);
            bytes.extend(0i32.to_be_bytes());
        }
        bytes
    }

    /// A broker that gives these answers in turn; the requests that it got.
    async fn broker(mut stream: DuplexStream, answers: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
        let mut got = Vec::new();
        for answer in answers {
            let length = stream.read_i32().await.unwrap();
            let mut request = vec![0; usize::try_from(length).unwrap()];
            stream.read_exact(&mut request).await.unwrap();
            got.push(request);
            stream.write_i32(i32::try_from(answer.len()).unwrap()).await.unwrap();
            stream.write_all(&answer).await.unwrap();
        }
        got
    }

    fn apis(keys: &[i16]) -> Vec<u8> {
        let mut bytes = CORRELATION.to_be_bytes().to_vec();
        bytes.extend(0i16.to_be_bytes());
        bytes.extend(i32::try_from(keys.len()).unwrap().to_be_bytes());
        for key in keys {
            bytes.extend([*key, 0, 1].map(i16::to_be_bytes).concat());
        }
        bytes
    }

    async fn ran(set: &Changes, answers: Vec<Vec<u8>>) -> (Result<serde_json::Value, ProbeError>, Vec<Vec<u8>>) {
        let (mut ours, theirs) = tokio::io::duplex(1 << 16);
        tokio::join!(exchange(&mut ours, "7", set), broker(theirs, answers))
    }

    fn contains(request: &[u8], text: &str) -> bool {
        request.windows(text.len()).any(|part| part == text.as_bytes())
    }

    fn some(name: &str, value: Option<&str>) -> Changes {
        vec![(name.to_owned(), value.map(str::to_owned))]
    }

    #[tokio::test]
    async fn what_is_in_force_is_read_and_secrets_are_not_told() {
        let (read, _) = ran(&Changes::new(), vec![says(&[("a.b", "1", 5, false), ("c", "x", 2, true)])]).await;
        assert_eq!(read.unwrap(), json!({"a.b": "1", "c": null}));
    }

    #[tokio::test]
    async fn a_change_is_named_alone_where_that_is_understood_and_seen_before_it_counts() {
        let before = || says(&[("a.b", "1", 5, false), ("c", "x", 2, true)]);
        let after = says(&[("a.b", "2", 2, false), ("c", "x", 2, true)]);
        let answers = vec![before(), apis(&[32, 44]), head(0), before(), after];
        let (set, got) = ran(&some("a.b", Some("2")), answers).await;
        assert_eq!(set.unwrap()["a.b"], "2");
        assert_eq!(got[2][..2], 44i16.to_be_bytes());
        assert!(contains(&got[2], "a.b") && !contains(&got[2], "c\0"), "{got:?}");
    }

    #[tokio::test]
    async fn where_all_must_be_said_what_others_have_told_is_said_again() {
        let before = says(&[("a.b", "1", 4, false), ("others", "9", 2, false), ("file", "5", 4, false)]);
        let after = says(&[("a.b", "2", 2, false), ("others", "9", 2, false)]);
        let (set, got) = ran(&some("a.b", Some("2")), vec![before, apis(&[32, 33]), head(0), after]).await;
        assert_eq!(set.unwrap()["others"], "9");
        assert_eq!(got[2][..2], 33i16.to_be_bytes());
        assert!(contains(&got[2], "others") && !contains(&got[2], "file"), "{got:?}");
    }

    #[tokio::test]
    async fn a_refusal_is_told_in_the_brokers_words() {
        let before = says(&[("a.b", "1", 4, false)]);
        let (set, _) = ran(&some("a.b", Some("-9")), vec![before, apis(&[33]), head(40)]).await;
        assert_eq!(set.unwrap_err().to_string(), "it refuses that: error 40: not so");
    }

    #[test]
    fn a_secret_that_would_be_forgotten_is_a_reason_to_stop() {
        let entry = Entry { value: None, told: true };
        let now = [("key".to_owned(), entry)].into();
        assert!(matches!(replace("7", &some("a", Some("1")), &now), Err(ProbeError::Refused(_))));
        assert!(replace("7", &some("key", None), &now).is_ok());
    }

    #[test]
    fn every_cut_is_an_error() {
        let whole = says(&[("a.b", "1", 5, false), ("c", "x", 2, true)]);
        assert!(described(&whole).is_ok());
        for cut in 0..whole.len() {
            assert!(described(&whole[..cut]).is_err(), "cut at {cut}");
        }
    }
}

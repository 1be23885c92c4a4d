//! The requests of the Kafka protocol that modules need: Metadata, of all topics, what partitions can lose, which requests a
//! broker understands, and its configuration.
//!
//! By hand and not with the `kafka-protocol` crate: that one allocates as much as the answer claims to have
//! (`Vec::with_capacity` of an untrusted length), which is an abort on a garbage answer, and it brings 3.7 MB of source
//! for one message. Version 1 of the request is understood by every broker since 0.10 and needs no negotiation.

mod configs;
mod spare;

pub(super) use configs::Changes;

use super::answer::{Answer, ProbeError};
use super::connection::{Credentials, Way};
use crate::remote::Stream;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// Largest answer, in bytes: some 100,000 partitions.
const MAX_ANSWER: usize = 8 << 20;

/// Most partitions; a small answer can claim many.
const MAX_PARTITIONS: usize = 200_000;

/// What comes back with the answer.
const CORRELATION: i32 = 0x6573;

/// `ApiVersions`, version 0: what a broker understands differs from version to version.
fn which_requests() -> Vec<u8> {
    framed(18, 0, &[])
}

/// A request with its length: API key, version, correlation id, client id, and what it says.
fn framed(key: i16, version: i16, says: &[u8]) -> Vec<u8> {
    let mut message = Vec::new();
    message.extend(key.to_be_bytes());
    message.extend(version.to_be_bytes());
    message.extend(CORRELATION.to_be_bytes());
    message.extend(10i16.to_be_bytes());
    message.extend(b"es_cluster");
    message.extend(says);
    let mut framed = i32::try_from(message.len()).unwrap_or(i32::MAX).to_be_bytes().to_vec();
    framed.append(&mut message);
    framed
}

/// API key 3 (Metadata), version 1, and a null array for *all topics* (which, other than naming topics, can't create one).
fn request() -> Vec<u8> {
    framed(3, 1, &(-1i32).to_be_bytes())
}

/// What is asked beside the metadata.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct More {
    /// Which requests it understands.
    pub(super) apis: bool,
    /// How many copies each partition can lose.
    pub(super) spare: bool,
    /// The id of the broker whose configuration is asked for, which must be the one that is asked.
    pub(super) broker: Option<String>,
    /// What of that is changed first.
    pub(super) set: Changes,
}

/// Asks and reads the answer. The caller bounds the time.
pub(super) async fn exchange(mut stream: Box<dyn Stream>, way: &Way, more: &More) -> Result<Answer, ProbeError> {
    if let Some(auth) = &way.auth {
        login(&mut *stream, auth, way).await?;
    }
    let mut body = decode(&ask(&mut *stream, &request()).await?)?;
    if more.spare {
        spare::add(&mut *stream, &mut body).await?;
    }
    let Some(found) = body.as_object_mut() else { return Err(garbage("it says nothing")) };
    if more.apis {
        let understood = ask(&mut *stream, &which_requests()).await?;
        found.insert("apis".to_owned(), understands(&understood)?);
    }
    if let Some(broker) = &more.broker {
        found.insert("configs".to_owned(), configs::exchange(&mut *stream, broker, &more.set).await?);
    }
    Ok(Answer { body: Some(body), ..Answer::default() })
}

/// SASL PLAIN (brokers since 1.0): the mechanism, then user and password. No answer has a byte of them.
async fn login(stream: &mut dyn Stream, auth: &Credentials, way: &Way) -> Result<(), ProbeError> {
    let Credentials::User(user, password) = auth else {
        return Err(ProbeError::Request("a broker asks for a user with a password".to_owned()));
    };
    let mut mechanism = 5i16.to_be_bytes().to_vec();
    mechanism.extend(b"PLAIN");
    let answer = ask(stream, &framed(17, 1, &mechanism)).await?;
    let mut bytes = Bytes(&answer);
    if bytes.int32()? != CORRELATION {
        return Err(garbage("it answers another request"));
    }
    if bytes.int16()? != 0 {
        return Err(ProbeError::Unknown("it does not take passwords in this way (SASL PLAIN)".to_owned()));
    }
    let token = format!("\0{user}\0{}", password.expose());
    let mut words = i32::try_from(token.len()).map_err(|_| garbage("a password without end"))?.to_be_bytes().to_vec();
    words.extend(token.as_bytes());
    let answer = ask(stream, &framed(36, 0, &words)).await?;
    let mut bytes = Bytes(&answer);
    if bytes.int32()? != CORRELATION {
        return Err(garbage("it answers another request"));
    }
    let code = bytes.int16()?;
    if code == 0 { Ok(()) } else { Err(way.refused(&format!("error {code}"))) }
}

/// Sends one request and reads what comes back.
async fn ask(stream: &mut dyn Stream, request: &[u8]) -> Result<Vec<u8>, ProbeError> {
    stream.write_all(request).await.map_err(ProbeError::lost)?;
    stream.flush().await.map_err(ProbeError::lost)?;
    let mut length = [0; 4];
    stream.read_exact(&mut length).await.map_err(ProbeError::lost)?;
    let length = usize::try_from(i32::from_be_bytes(length)).map_err(|_| garbage("a negative length"))?;
    if length > MAX_ANSWER {
        return Err(ProbeError::TooLarge(MAX_ANSWER));
    }
    // Grows with what really comes, not with what was claimed.
    let mut bytes = Vec::new();
    let claimed = u64::try_from(length).unwrap_or(u64::MAX);
    stream.take(claimed).read_to_end(&mut bytes).await.map_err(ProbeError::lost)?;
    if bytes.len() < length {
        return Err(garbage("it ends early"));
    }
    Ok(bytes)
}

/// `ApiVersions` v0: the highest version of each request, by its number.
fn understands(bytes: &[u8]) -> Result<Value, ProbeError> {
    let mut bytes = Bytes(bytes);
    if bytes.int32()? != CORRELATION {
        return Err(garbage("it answers another request"));
    }
    let error = bytes.int16()?;
    if error != 0 {
        return Err(garbage("it does not say which requests it understands"));
    }
    let mut all = serde_json::Map::new();
    bytes.array(|bytes| {
        let (key, _least, most) = (bytes.int16()?, bytes.int16()?, bytes.int16()?);
        all.insert(key.to_string(), most.into());
        Ok(())
    })?;
    Ok(all.into())
}

/// Metadata v1 as the `body` of `docs/modules.md`. A topic that has an error and no partitions gets a row with
/// partition -1 and no leader, so that a gate over the partitions can't overlook it.
fn decode(bytes: &[u8]) -> Result<Value, ProbeError> {
    let mut bytes = Bytes(bytes);
    if bytes.int32()? != CORRELATION {
        return Err(garbage("it answers another request"));
    }
    let brokers = bytes.array(|bytes| {
        let (id, host, port) = (bytes.int32()?, bytes.text()?, bytes.int32()?);
        bytes.text()?; // rack
        Ok(json!({"id": id, "host": host, "port": port}))
    })?;
    let controller = bytes.int32()?;
    let mut partitions = Vec::new();
    bytes.array(|bytes| {
        let (error, topic, _internal) = (bytes.int16()?, bytes.text()?, bytes.int8()?);
        let before = partitions.len();
        bytes.array(|bytes| {
            if partitions.len() >= MAX_PARTITIONS {
                return Err(garbage("more than 200000 partitions"));
            }
            let (own, partition, leader) = (bytes.int16()?, bytes.int32()?, bytes.int32()?);
            let (replicas, isr) = (bytes.array(Bytes::int32)?, bytes.array(Bytes::int32)?);
            let error = if own == 0 { error } else { own };
            partitions.push(json!({
                "topic": topic, "partition": partition, "leader": leader, "replicas": replicas, "isr": isr,
                "error": error,
            }));
            Ok(())
        })?;
        if error != 0 && partitions.len() == before && before < MAX_PARTITIONS {
            partitions.push(json!({
                "topic": topic, "partition": -1, "leader": -1, "replicas": [], "isr": [], "error": error,
            }));
        }
        Ok(())
    })?;
    Ok(json!({"brokers": brokers, "controller": controller, "partitions": partitions}))
}

/// What is left of an answer.
struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], ProbeError> {
        let (first, rest) = self.0.split_first_chunk().ok_or_else(|| garbage("it ends inside a field"))?;
        self.0 = rest;
        Ok(*first)
    }

    fn int8(&mut self) -> Result<i8, ProbeError> {
        self.take().map(i8::from_be_bytes)
    }

    fn int16(&mut self) -> Result<i16, ProbeError> {
        self.take().map(i16::from_be_bytes)
    }

    fn int32(&mut self) -> Result<i32, ProbeError> {
        self.take().map(i32::from_be_bytes)
    }

    /// A text; none is an empty one.
    fn text(&mut self) -> Result<String, ProbeError> {
        self.maybe().map(Option::unwrap_or_default)
    }

    /// A text; length -1 is none.
    fn maybe(&mut self) -> Result<Option<String>, ProbeError> {
        let Ok(length) = usize::try_from(self.int16()?) else { return Ok(None) };
        let (text, rest) = self.0.split_at_checked(length).ok_or_else(|| garbage("it ends inside a text"))?;
        self.0 = rest;
        Ok(Some(String::from_utf8_lossy(text).into_owned()))
    }

    /// An array; length -1 is none. Nothing is allocated ahead: a claim of two thousand million elements ends with
    /// the bytes.
    fn array<T>(&mut self, mut element: impl FnMut(&mut Self) -> Result<T, ProbeError>) -> Result<Vec<T>, ProbeError> {
        let length = self.int32()?.max(0);
        (0..length).map(|_| element(self)).collect()
    }
}

fn garbage(what: &str) -> ProbeError {
    ProbeError::Garbage(what.to_owned())
}

#[cfg(test)]
mod tests {
    use super::{CORRELATION, MAX_PARTITIONS, decode, request};
    use serde_json::json;

    fn head(brokers: i32) -> Vec<u8> {
        let mut bytes = Vec::from(CORRELATION.to_be_bytes());
        bytes.extend(brokers.to_be_bytes());
        bytes
    }

    fn text(bytes: &mut Vec<u8>, text: &str) {
        bytes.extend(i16::try_from(text.len()).unwrap().to_be_bytes());
        bytes.extend(text.as_bytes());
    }

    /// One broker, one topic with these partition count and error, and `tail` after the count.
    fn answer(error: i16, partitions: i32, tail: &[u8]) -> Vec<u8> {
        let mut bytes = head(1);
        bytes.extend(7i32.to_be_bytes());
        text(&mut bytes, "h");
        bytes.extend(9092i32.to_be_bytes());
        bytes.extend((-1i16).to_be_bytes());
        bytes.extend(7i32.to_be_bytes());
        bytes.extend(1i32.to_be_bytes());
        bytes.extend(error.to_be_bytes());
        text(&mut bytes, "t");
        bytes.push(0);
        bytes.extend(partitions.to_be_bytes());
        bytes.extend(tail);
        bytes
    }

    #[test]
    fn the_request_states_its_own_length() {
        let request = request();
        assert_eq!(request[..4], i32::try_from(request.len() - 4).unwrap().to_be_bytes());
    }

    #[test]
    fn a_topic_with_an_error_and_no_partition_is_a_row_without_a_leader() {
        let body = decode(&answer(5, 0, &[])).unwrap();
        assert_eq!(body["brokers"], json!([{"id": 7, "host": "h", "port": 9092}]));
        let row = json!({"topic": "t", "partition": -1, "leader": -1, "replicas": [], "isr": [], "error": 5});
        assert_eq!(body["partitions"], json!([row]));
    }

    #[test]
    fn every_cut_and_every_absurd_length_is_an_error() {
        let mut partition = Vec::from([0u8; 2]);
        partition.extend([0u8; 4]);
        partition.extend(7i32.to_be_bytes());
        partition.extend([0, 0, 0, 1, 0, 0, 0, 7, 0, 0, 0, 0]);
        let whole = answer(0, 1, &partition);
        assert_eq!(decode(&whole).unwrap()["partitions"][0]["replicas"], json!([7]));
        for cut in 0..whole.len() {
            assert!(decode(&whole[..cut]).is_err(), "cut at {cut}");
        }
        assert!(decode(&head(i32::MAX)).is_err());
        assert!(decode(&answer(0, i32::MAX, &partition)).is_err());
        assert!(decode(&answer(0, i32::MAX, &vec![0; 18 * (MAX_PARTITIONS + 1)])).is_err());
        assert!(decode(b"HTTP/1.1 400 Bad Request\r\n\r\n").is_err());
    }
}

//! How many copies each partition has beyond the fewest that its topic takes writes with (`min.insync.replicas`), when all of them
//! are in sync. A topic may have been given a number of its own, so every topic is asked for it; any broker can tell.

use super::configs::{count, text};
use super::{Bytes, CORRELATION, ask, framed, garbage};
use crate::probe::answer::ProbeError;
use crate::remote::Stream;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// The kind of resource that a topic is.
const TOPIC: i8 = 2;

const LEAST: &str = "min.insync.replicas";

/// Adds `spare` to the partitions of a Metadata answer. A partition whose topic does not tell has none.
pub(super) async fn add(stream: &mut dyn Stream, body: &mut Value) -> Result<(), ProbeError> {
    let Some(partitions) = body.get_mut("partitions").and_then(Value::as_array_mut) else { return Ok(()) };
    let named = partitions.iter().filter_map(|row| row.get("topic")?.as_str().map(str::to_owned));
    let topics: BTreeSet<String> = named.collect();
    if topics.is_empty() {
        return Ok(());
    }
    let least = described(&ask(stream, &describe(&topics)?).await?)?;
    for row in partitions {
        let topic = row.get("topic").and_then(Value::as_str);
        let copies = row.get("replicas").and_then(Value::as_array).and_then(|all| i64::try_from(all.len()).ok());
        if let (Some(least), Some(copies)) = (topic.and_then(|topic| least.get(topic)), copies)
            && let Some(row) = row.as_object_mut()
        {
            row.insert("spare".to_owned(), (copies - least).into());
        }
    }
    Ok(())
}

/// `DescribeConfigs` v0 (brokers since 0.11): one value of each topic.
fn describe(topics: &BTreeSet<String>) -> Result<Vec<u8>, ProbeError> {
    let mut says = count(topics.len())?.to_be_bytes().to_vec();
    for topic in topics {
        says.extend(TOPIC.to_be_bytes());
        text(&mut says, Some(topic))?;
        says.extend(1i32.to_be_bytes());
        text(&mut says, Some(LEAST))?;
    }
    Ok(framed(32, 0, &says))
}

/// The numbers by topic. One that was deleted a moment ago has an error, and no number.
fn described(bytes: &[u8]) -> Result<BTreeMap<String, i64>, ProbeError> {
    let mut bytes = Bytes(bytes);
    if bytes.int32()? != CORRELATION {
        return Err(garbage("it answers another request"));
    }
    let _held_back = bytes.int32()?;
    let mut found = BTreeMap::new();
    bytes.array(|bytes| {
        let (code, _why) = (bytes.int16()?, bytes.text()?);
        let (_kind, topic) = (bytes.int8()?, bytes.text()?);
        bytes.array(|bytes| {
            let (name, value) = (bytes.text()?, bytes.maybe()?);
            let (_read_only, _default, _secret) = (bytes.int8()?, bytes.int8()?, bytes.int8()?);
            if let (0, LEAST, Some(least)) = (code, name.as_str(), value.and_then(|value| value.parse().ok())) {
                found.insert(topic.clone(), least);
            }
            Ok(())
        })?;
        Ok(())
    })?;
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::{LEAST, add};
    use crate::probe::kafka::CORRELATION;
    use crate::probe::kafka::configs::text;
    use serde_json::{Value, json};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    /// What a broker says of topics: an error, and the value.
    fn says(topics: &[(&str, i16, &str)]) -> Vec<u8> {
        let mut bytes = CORRELATION.to_be_bytes().to_vec();
        bytes.extend(0i32.to_be_bytes());
        bytes.extend(i32::try_from(topics.len()).unwrap().to_be_bytes());
        for (topic, code, least) in topics {
            bytes.extend(code.to_be_bytes());
            text(&mut bytes, None).unwrap();
            bytes.push(2);
            text(&mut bytes, Some(topic)).unwrap();
            bytes.extend(i32::from(*code == 0).to_be_bytes());
            if *code == 0 {
                text(&mut bytes, Some(LEAST)).unwrap();
                text(&mut bytes, Some(least)).unwrap();
                bytes.extend([0, 1, 0]);
            }
        }
        bytes
    }

    /// The partitions when a broker answers this; it is asked once.
    async fn added(partitions: Value, answer: Vec<u8>) -> (Result<Value, String>, Vec<u8>) {
        let (mut ours, mut theirs) = tokio::io::duplex(1 << 16);
        let broker = tokio::spawn(async move {
            let mut request = vec![0; usize::try_from(theirs.read_i32().await.unwrap()).unwrap()];
            theirs.read_exact(&mut request).await.unwrap();
            theirs.write_i32(i32::try_from(answer.len()).unwrap()).await.unwrap();
            theirs.write_all(&answer).await.unwrap();
            request
        });
        let mut body = json!({ "partitions": partitions });
        let done = add(&mut ours, &mut body).await.map(|()| body["partitions"].clone());
        (done.map_err(|why| why.to_string()), broker.await.unwrap())
    }

    #[tokio::test]
    async fn each_partition_says_what_it_can_lose() {
        let rows = json!([
            {"topic": "a", "replicas": [1, 2, 3]}, {"topic": "a", "replicas": [1]}, {"topic": "b", "replicas": [1, 2]}, {"topic": "gone", "replicas": [1]},
        ]);
        let (done, request) = added(rows, says(&[("a", 0, "2"), ("b", 0, "2"), ("gone", 3, "")])).await;
        let spare: Vec<Value> = done.unwrap().as_array().unwrap().iter().map(|row| row["spare"].clone()).collect();
        assert_eq!(spare, [json!(1), json!(-1), json!(0), Value::Null]);
        assert_eq!(request[..4], [0, 32, 0, 0], "DescribeConfigs, version 0");
        assert_eq!(request.windows(LEAST.len()).filter(|part| *part == LEAST.as_bytes()).count(), 3, "each topic once");
    }

    #[tokio::test]
    async fn what_is_no_answer_is_an_error_and_what_is_no_number_says_nothing() {
        let rows = json!([{"topic": "a", "replicas": [1]}]);
        let whole = says(&[("a", 0, "2")]);
        for cut in 0..whole.len() {
            assert!(added(rows.clone(), whole[..cut].to_vec()).await.0.is_err(), "cut at {cut}");
        }
        let (done, _) = added(rows, says(&[("a", 0, "many")])).await;
        assert_eq!(done.unwrap()[0].get("spare"), None);
    }
}

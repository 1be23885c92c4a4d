//! Which instances a probe asks, and what their answers come to.

use super::answer::{Answer, ProbeError, entry};
use super::dial::Dial;
use super::exchange::exchange;
use super::judge::{self, Told};
use super::request::{Request, Target};
use crate::desired::{Desired, DesiredInstance};
use crate::expr::Context;
use crate::inventory::Verdict;
use crate::model::{Probe, ProbeOn};
use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, StreamExt as _};
use serde_json::{Map, Value, json};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Most instances that are asked at the same time.
const AT_ONCE: usize = 16;

/// When the first instance has not answered for this long, the next one is asked beside it, if asking changes nothing.
const PATIENCE: Duration = Duration::from_millis(1500);

/// Why nothing was asked.
const NOBODY: &str = "no instance is there to be asked";

/// Who may be asked, on whose behalf, and what the expressions see beside the answers.
pub(super) struct Scope<'a> {
    pub(super) desired: &'a Desired,
    pub(super) dial: &'a dyn Dial,
    /// Instances that may be asked, by name.
    pub(super) members: Vec<&'a DesiredInstance>,
    /// The instance that the question is about; a question about a service has none.
    pub(super) subject: Option<&'a DesiredInstance>,
    /// Whether `service.expected` is the number of members, and not what the file declares.
    pub(super) counted: bool,
    /// Whether only a success is judged at all: to a safety rule an error has no rows, and no rows look safe.
    pub(super) cautious: bool,
    /// Further names (`value`).
    pub(super) names: Map<String, Value>,
}

/// What a probe came to: a verdict, and what expressions see of the answers when there are any.
pub(super) struct Judged {
    pub(super) verdict: Verdict,
    pub(super) context: Option<Context>,
    /// What was answered, in words; not yet made safe.
    pub(super) said: String,
}

impl Judged {
    fn unasked(why: &str) -> Self {
        Self { verdict: judge::failed(why), context: None, said: why.to_owned() }
    }

    /// No answer, or none that counts.
    fn without(reply: &Reply<'_>, why: &str) -> Self {
        let unknown = reply.outcome.as_ref().is_err_and(ProbeError::is_unknown);
        let unasked = Self::unasked(why);
        Self { verdict: Verdict { unknown, ..unasked.verdict }, ..unasked }
    }
}

/// One instance's answer.
struct Reply<'a> {
    instance: &'a DesiredInstance,
    /// What expressions see beside the answer.
    context: Context,
    who: String,
    outcome: Result<Answer, ProbeError>,
}

impl Reply<'_> {
    fn short(&self) -> String {
        match &self.outcome {
            Ok(answer) => format!("{} answered{}", self.who, answer.code()),
            Err(_) => self.long(),
        }
    }

    fn long(&self) -> String {
        match &self.outcome {
            Ok(answer) => format!("{} answered {}", self.who, answer.excerpt()),
            Err(error) => format!("{}: {error}", self.who),
        }
    }
}

impl<'a> Scope<'a> {
    /// Asks whom the probe says, and judges.
    pub(super) async fn judge(&self, probe: &Probe) -> Judged {
        match probe.on {
            // A question about a service has no *self*: one answer is enough.
            ProbeOn::SelfInstance => match self.subject {
                Some(subject) => self.one(probe, &self.ask(probe, subject).await),
                None => self.any(probe).await,
            },
            ProbeOn::Any => self.any(probe).await,
            ProbeOn::Each => self.each(probe).await,
            ProbeOn::All => self.together(probe).await,
            ProbeOn::Leader => match self.leader().await {
                Ok(leader) => self.one(probe, &self.ask(probe, leader).await),
                Err(why) => Judged::unasked(&why),
            },
        }
    }

    /// The context of expressions: of the instance that the question is about, else of the one that is asked.
    fn context(&self, asked: &DesiredInstance) -> Context {
        let instance = self.subject.unwrap_or(asked);
        let mut names = self.names.clone();
        let members: Vec<String> = self.members.iter().map(|member| member.id.to_string()).collect();
        if self.counted {
            let mut service = instance.context.get("service").unwrap_or_else(|| json!({}));
            if let Some(service) = service.as_object_mut() {
                service.insert("expected".to_owned(), members.len().into());
            }
            names.insert("service".to_owned(), service);
        }
        names.insert("members".to_owned(), members.into());
        names.insert("now".to_owned(), now().into());
        names.entry("as_declared").or_insert(true.into());
        instance.context.with(&Value::Object(names))
    }

    async fn ask(&self, probe: &Probe, asked: &'a DesiredInstance) -> Reply<'a> {
        let context = self.context(asked);
        let mut who = asked.id.to_string();
        let target = match self.desired.hosts.get(&asked.id.host) {
            Some(host) => Ok(Target { instance: asked, host }),
            None => Err(ProbeError::Request(format!("host {} is not declared", asked.id.host))),
        };
        let outcome = match target.and_then(|target| Ok((target, Request::render(probe, target, &context)?))) {
            Ok((target, request)) => {
                who = format!("{who}: {request}");
                exchange(self.desired, self.dial, target, &request, probe.parse, probe.timeout).await
            }
            Err(error) => Err(error),
        };
        Reply { instance: asked, context, who, outcome }
    }

    fn one(&self, probe: &Probe, reply: &Reply<'_>) -> Judged {
        let answer = match &reply.outcome {
            Ok(answer) if !self.cautious || answer.is_plain_success() => answer,
            _ => return Judged::without(reply, &reply.long()),
        };
        let context = reply.context.with(&Value::Object(answer.names()));
        let whose = matches!(probe.on, ProbeOn::Each | ProbeOn::Leader).then(|| reply.instance.id.to_string());
        let told = Told { short: reply.short(), long: reply.long(), whose };
        let verdict = judge::answer(probe, answer.is_plain_success(), &context, &told);
        Judged { verdict, context: Some(context), said: told.long }
    }

    /// The first member, by name, that answers. One that says that it can't serve (HTTP 5xx) gives way to the next;
    /// when none does better, its answer counts.
    async fn any(&self, probe: &Probe) -> Judged {
        let mut waiting = self.members.iter().copied();
        let mut asking: FuturesUnordered<BoxFuture<'_, Reply<'a>>> = FuturesUnordered::new();
        let mut missed: Vec<Reply<'a>> = Vec::new();
        loop {
            if asking.is_empty() {
                match waiting.next() {
                    Some(member) => asking.push(Box::pin(self.ask(probe, member))),
                    None => break,
                }
            }
            let patience = async {
                if Request::only_reads(probe) {
                    tokio::time::sleep(PATIENCE).await;
                } else {
                    std::future::pending::<()>().await;
                }
            };
            tokio::select! {
                Some(reply) = asking.next() => match &reply.outcome {
                    Ok(answer) if !answer.is_server_error() => return self.one(probe, &reply),
                    _ => missed.push(reply),
                },
                () = patience => if let Some(member) = waiting.next() {
                    asking.push(Box::pin(self.ask(probe, member)));
                },
            }
        }
        missed.sort_by(|a, b| a.instance.id.cmp(&b.instance.id));
        if let Some(reply) = missed.iter().find(|reply| reply.outcome.is_ok()) {
            return self.one(probe, reply);
        }
        match missed.as_slice() {
            [] => Judged::unasked(NOBODY),
            [only] => Judged::without(only, &only.long()),
            [first, ..] => Judged::without(first, &judge::and_more(&first.long(), missed.len())),
        }
    }

    async fn everybody(&self, probe: &Probe) -> Vec<Reply<'a>> {
        // Collected first: a stream over the borrowed list would not be `Send` for all lifetimes.
        let asking: Vec<BoxFuture<'_, Reply<'a>>> =
            self.members.iter().map(|member| Box::pin(self.ask(probe, member)) as BoxFuture<'_, _>).collect();
        futures::stream::iter(asking).buffered(AT_ONCE).collect().await
    }

    async fn each(&self, probe: &Probe) -> Judged {
        let replies = self.everybody(probe).await;
        if replies.is_empty() {
            return Judged::unasked(NOBODY);
        }
        let verdicts: Vec<Verdict> = replies.into_iter().map(|reply| self.one(probe, &reply).verdict).collect();
        let verdict = judge::each(&verdicts);
        Judged { said: verdict.says.clone(), verdict, context: None }
    }

    async fn together(&self, probe: &Probe) -> Judged {
        let replies = self.everybody(probe).await;
        let Some(first) = replies.first() else {
            return Judged::unasked(NOBODY);
        };
        let success = |reply: &&Reply<'_>| reply.outcome.as_ref().is_ok_and(Answer::is_plain_success);
        let failed = replies.iter().find(|reply| !success(reply));
        if let Some(reply) = failed.filter(|_| self.cautious) {
            return Judged::unasked(&reply.long());
        }
        let entry = |reply: &Reply<'_>| entry(&reply.instance.id.to_string(), &reply.outcome);
        let entries: Vec<Value> = replies.iter().map(entry).collect();
        let context = first.context.with(&json!({ "answers": entries }));
        let long = match failed {
            Some(reply) if probe.until.is_none() => reply.long(),
            _ => replies.iter().map(Reply::long).collect::<Vec<_>>().join("; "),
        };
        let short = judge::and_more(&first.short(), replies.len());
        let told = Told { short, long, whose: None };
        let verdict = judge::answer(probe, failed.is_none(), &context, &told);
        let answered = replies.iter().any(|reply| reply.outcome.is_ok());
        Judged { verdict, context: answered.then_some(context), said: told.long }
    }

    /// The first member for which the module's `last` holds.
    async fn leader(&self) -> Result<&'a DesiredInstance, String> {
        let module = self.members.first().map(|member| &member.module);
        let Some(last) = module.and_then(|module| module.rolling.last.as_ref()) else {
            return Err("the module does not say in `last` who the leader is".to_owned());
        };
        if last.on == ProbeOn::Leader {
            return Err("the module's `last` asks the leader who the leader is".to_owned());
        }
        let mut why = String::new();
        for member in &self.members {
            let verdict = self.goes_last(member, last).await;
            if verdict.holds {
                return Ok(member);
            }
            why = verdict.says;
        }
        Err(format!("nobody is known to be the leader: {why}"))
    }

    fn goes_last<'b>(&'b self, member: &'b DesiredInstance, last: &'b Probe) -> BoxFuture<'b, Verdict> {
        let members = self.members.clone();
        Box::pin(async move {
            let scope = Scope {
                desired: self.desired,
                dial: self.dial,
                members,
                subject: Some(member),
                counted: self.counted,
                cautious: false,
                names: Map::new(),
            };
            scope.judge(last).await.verdict
        })
    }
}

/// The controller's clock, as durations count: services say of little how old it is, and of much when it was.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

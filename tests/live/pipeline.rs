//! The pipelines of `docs/ci`, run as they stand: their own commands, in their order, on sandbox hosts.

use crate::lab::Lab;
use es_cluster::plan::Plan;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Two small services, and nothing that takes long to start.
const CLUSTER: &str = r#"
cluster "{cluster}" { supervisor "supervisord"; }
versions { supervisord "4.3.0"; redis "6.2.14"; }
rollout { canary 1 soak="1s"; }
hosts { "node[1-2]" address="{network}.[1-2]" transport="local"; }
roles { redis on="node[1-2]" { databases 16; }; }
"#;

/// One command or script of a job.
#[derive(Debug)]
struct Script {
    name: String,
    text: String,
    /// What must hold for it, as the file says it.
    condition: Option<String>,
}

/// What a job did.
#[derive(Debug)]
struct Job {
    /// The exit code of its first script that failed.
    code: i32,
    stdout: String,
    stderr: String,
}

fn pipeline(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/ci").join(name);
    serde_saphyr::from_str(&fs::read_to_string(path).expect("a pipeline")).expect("YAML")
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}")).to_owned()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().unwrap_or_else(|| panic!("no list: {value}"))
}

/// The scripts of a job of a GitHub workflow.
fn steps(job: &Value) -> Vec<Script> {
    let script = |step: &Value| {
        let (name, run) = (step.get("name")?.as_str()?, step.get("run")?.as_str()?);
        let condition = step.get("if").and_then(Value::as_str).map(str::to_owned);
        Some(Script { name: name.to_owned(), text: run.to_owned(), condition })
    };
    list(&job["steps"]).iter().filter_map(script).collect()
}

/// The scripts of a job of GitLab CI.
fn scripts(job: &Value) -> Vec<Script> {
    let script = |(line, condition): (&Value, Option<&str>)| Script {
        name: text(line),
        text: text(line),
        condition: condition.map(str::to_owned),
    };
    let own = list(&job["script"]).iter().map(|line| (line, None));
    let after = job.get("after_script").map_or(&[][..], list).iter().map(|line| (line, Some("!cancelled()")));
    own.chain(after).map(script).collect()
}

/// A runner: our programs, and stand-ins of the forges' own that write down what they were told.
struct Runner<'a> {
    lab: &'a Lab,
    programs: PathBuf,
    env: Vec<(&'static str, String)>,
}

impl<'a> Runner<'a> {
    fn new(lab: &'a Lab) -> Self {
        let programs = lab.controller.with_file_name("programs");
        fs::create_dir_all(&programs).expect("a folder");
        for forge in ["gh", "glab"] {
            let path = programs.join(forge);
            fs::write(&path, "#!/bin/sh\nprintf '%s\\n' \"$@\" >> said\n").expect("a stand-in");
            assert!(Command::new("chmod").arg("+x").arg(path).status().expect("chmod").success());
        }
        let file = |name: &str| lab.controller.join(name).display().to_string();
        let env = vec![
            ("GITHUB_OUTPUT", file("output")),
            ("GITHUB_STEP_SUMMARY", file("summary.md")),
            ("NUMBER", "7".to_owned()),
            ("CI_MERGE_REQUEST_IID", "7".to_owned()),
            ("TOKEN", "token".to_owned()),
        ];
        Self { lab, programs, env }
    }

    /// Runs scripts one after the other: after one that failed only those that say so.
    fn run(&self, scripts: &[Script]) -> Job {
        let mut job = Job { code: 0, stdout: String::new(), stderr: String::new() };
        for script in scripts {
            let condition = script.condition.as_deref().unwrap_or_default();
            let needs_plan = condition.contains("hashFiles('plan.md')");
            let skipped = (job.code != 0 && !condition.contains("!cancelled()"))
                || (needs_plan && !self.lab.controller.join("plan.md").exists());
            if skipped {
                continue;
            }
            let own = Path::new(env!("CARGO_BIN_EXE_esplan")).parent().expect("a folder").display().to_string();
            let path = std::env::var("PATH").expect("PATH");
            let path = format!("{own}:{}:{path}", self.programs.display());
            let output = Command::new("bash")
                .args(["--noprofile", "--norc", "-eo", "pipefail", "-c", &script.text])
                .current_dir(&self.lab.controller)
                .env("XDG_CACHE_HOME", Lab::cache().parent().expect("a folder"))
                .env("PATH", path)
                .envs(self.env.iter().map(|(key, value)| (*key, value)))
                .stdin(Stdio::null())
                .output()
                .expect("bash");
            let code = output.status.code().unwrap_or(-1);
            println!("$ {} -> {code}", script.name);
            job.stdout.push_str(&String::from_utf8_lossy(&output.stdout));
            job.stderr.push_str(&String::from_utf8_lossy(&output.stderr));
            job.code = if job.code == 0 { code } else { job.code };
        }
        job
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.lab.controller.join(name)).unwrap_or_default()
    }

    /// Removes what a job left: the next one has a new folder.
    fn clean(&self) {
        for name in
            ["plan.json", "plan.md", "plan.xml", "plan.html", "events.jsonl", "run.xml", "output", "summary.md", "said"]
        {
            let _ = fs::remove_file(self.lab.controller.join(name));
        }
    }

    /// What a dirty plan leaves for people and for the apply.
    fn left_a_plan(&self, files: &[String]) {
        assert!(
            ["plan.json", "plan.md", "plan.xml", "plan.html"].iter().all(|name| files.iter().any(|file| file == name))
        );
        for file in files {
            assert!(!self.read(file).is_empty(), "{file} is an artifact");
        }
        let comment = self.read("plan.md");
        assert!(comment.starts_with("### ") && comment.contains("**Changes:**"), "{comment}");
        let report = self.read("plan.xml");
        assert!(report.contains("name=\"node1\"") && report.contains("<skipped message="), "{report}");
        let page = self.read("plan.html");
        assert!(page.starts_with("<!doctype html>") && page.contains("redis@node"), "{page}");
        let plan = Plan::from_json(&self.read("plan.json")).expect("a plan");
        assert!(!plan.steps.is_empty());
    }

    /// The events of an apply that went well.
    fn applied(&self) {
        let events = self.read("events.jsonl");
        let lines: Vec<Value> = events.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        let first = lines.first().expect("a line");
        assert_eq!(first["event"], "planned");
        let digest = first["digest"].as_str().expect("a digest");
        assert!(self.read("plan.md").contains(digest), "what was read is what is applied");
        let last = lines.last().expect("a line");
        assert_eq!((&last["event"], &last["exit_code"]), (&"ended".into(), &0.into()), "{last}");
        assert!(lines.iter().any(|line| line["event"] == "action-ended"), "{events}");
        let report = self.read("run.xml");
        assert!(report.contains("failures=\"0\"") && report.contains("name=\"redis@node1 ready\""), "{report}");
    }
}

#[test]
fn the_pipelines_of_the_documentation_work_as_they_stand() {
    let lab = Lab::new("pipeline", CLUSTER);
    lab.esplan(&["lock"]).expect(0);
    let runner = Runner::new(&lab);

    // A new platform: the gate fails with 2, leaves what people and the apply need, and passes after the apply.
    let github = pipeline("github.yml");
    let (plan, apply) = (steps(&github["jobs"]["plan"]), steps(&github["jobs"]["apply"]));
    assert!(plan.iter().any(|script| script.text.contains("--detailed-exitcode")), "{plan:?}");
    let uploads = list(&github["jobs"]["plan"]["steps"]).iter().find(|step| step["with"]["name"] == "plan");
    let kept: Vec<String> =
        text(&uploads.expect("an upload")["with"]["path"]).split_whitespace().map(str::to_owned).collect();
    let job = runner.run(&plan);
    assert_eq!(job.code, 2, "{job:?}");
    runner.left_a_plan(&kept);
    assert!(job.stdout.contains("::notice title=esplan "), "{}", job.stdout);
    assert_eq!(runner.read("output"), "code=2\n", "what the apply asks for");
    assert!(text(&github["jobs"]["apply"]["if"]).contains("needs.plan.outputs.code == '2'"));
    assert!(runner.read("summary.md").starts_with("### "));
    assert!(runner.read("said").contains("plan.md"), "the comment was posted");
    let job = runner.run(&apply);
    assert_eq!(job.code, 0, "{job:?}");
    runner.applied();
    runner.clean();
    let job = runner.run(&plan);
    assert_eq!(job.code, 0, "{job:?}");
    runner.clean();

    // A change, on the other forge.
    lab.edit("databases 16", "databases 17");
    let gitlab = pipeline("gitlab.yml");
    let (plan, apply) = (scripts(&gitlab["plan"]), scripts(&gitlab["apply"]));
    let kept: Vec<String> = list(&gitlab["plan"]["artifacts"]["paths"]).iter().map(text).collect();
    assert!(kept.contains(&text(&gitlab["plan"]["artifacts"]["reports"]["junit"])), "{kept:?}");
    let job = runner.run(&plan);
    assert_eq!(job.code, 2, "{job:?}");
    assert_eq!(gitlab["plan"]["allow_failure"]["exit_codes"], serde_json::json!([2]));
    runner.left_a_plan(&kept);
    assert!(runner.read("said").contains("**Changes:**"), "the comment was posted");
    let job = runner.run(&apply);
    assert_eq!(job.code, 0, "{job:?}");
    runner.applied();

    // The plan that was applied is stale now, and is not applied again.
    let job = runner.run(&apply);
    assert_eq!(job.code, 5, "{job:?}");
    let last = runner.read("events.jsonl");
    assert!(last.lines().last().expect("a line").contains("\"exit_code\":5"), "{last}");
    runner.clean();

    // Whoever wants to hear of problems alone hears how it ended.
    lab.edit("databases 17", "databases 18");
    let ran = lab.esapply(&["--quiet"]).expect(0);
    assert_eq!((ran.stdout.as_str(), ran.stderr.lines().count()), ("", 1), "{}", ran.text());
    assert!(ran.stderr.starts_with("done: "), "{}", ran.stderr);

    // A mistake in the file is an annotation at its place, and nothing is planned.
    lab.edit("databases 18", "databses 18");
    let job = runner.run(&steps(&github["jobs"]["plan"]));
    assert_eq!(job.code, 1, "{job:?}");
    assert!(job.stdout.contains("::error file=cluster.kdl,line=6,"), "{}", job.stdout);
    assert_eq!((runner.read("plan.json"), runner.read("plan.md")), (String::new(), String::new()));
}

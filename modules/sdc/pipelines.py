"""Keeps the pipelines of a Data Collector as the files beside this one, over its REST interface. Standard library only.

pipelines.py sync CONF      creates, changes, starts what is declared; stops ours that no longer is. Deletes nothing.
pipelines.py check CONF     prints what differs, a line for each; nothing when nothing does
pipelines.py status CONF    prints JSON: how many run, what is wrong, which others there are
pipelines.py version CONF   prints its version
pipelines.py start CONF COMMAND…    becomes the service, and has its pipelines in step as soon as it answers
"""
import base64
import json
import os
import shutil
import re
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

OURS = "es_cluster"
ACTIVE = {"STARTING", "RUNNING", "RETRY", "FINISHING", "STOPPING", "CONNECTING", "DISCONNECTING", "DISCONNECTED"}
STOPS_WITHIN = 60
ANSWERS_WITHIN = 180
LARGEST = 16 << 20


class Collector:
    def __init__(self, conf):
        with open(conf / "pipelines.json", encoding="utf-8") as file:
            about = json.load(file)
        self.url, self.headers = about["url"], {"X-Requested-By": OURS, "Content-Type": "application/json"}
        if "password" in about:
            word = base64.b64encode(f"{about['user']}:{about['password']}".encode()).decode()
            self.headers["Authorization"] = f"Basic {word}"

    def ask(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, self.headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                text = answer.read(LARGEST)
        except urllib.error.HTTPError as error:
            raise OSError(f"{method} {path}: {error.code} {error.read(500).decode('utf-8', 'replace')}") from error
        return json.loads(text) if text else None

    def states(self):
        return {name: one["status"] for name, one in self.ask("GET", "/rest/v1/pipelines/status").items()}

    def config(self, name):
        return self.ask("GET", f"/rest/v1/pipeline/{name}?rev=0&get=pipeline")


def declared(conf):
    found = {}
    for file in sorted((conf / "pipelines").glob("*.json")):
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,100}", file.stem):
            raise OSError(f"{file.name}: a pipeline's name has letters, digits, '_' and '-'")
        with open(file, encoding="utf-8") as text:
            whole = json.load(text)
        # An export has the pipeline in an envelope.
        config = dict(whole.get("pipelineConfig", whole))
        # What the service counts and dates itself.
        for own in ("uuid", "info", "pipelineId", "valid", "issues", "previewable"):
            config.pop(own, None)
        labels = config.get("metadata", {}).get("labels", [])
        config["metadata"] = {**config.get("metadata", {}), "labels": [*labels, OURS] if OURS not in labels else labels}
        found[file.stem] = config
    return found


def has(whole, part):
    """Whether everything of a part is in the whole: the service adds what it fills in by itself."""
    if isinstance(part, dict):
        return isinstance(whole, dict) and all(key in whole and has(whole[key], value) for key, value in part.items())
    if isinstance(part, list):
        return isinstance(whole, list) and len(whole) == len(part) and all(map(has, whole, part))
    return whole == part


def is_ours(config):
    return OURS in (config.get("metadata") or {}).get("labels", [])


def stop(collector, name):
    collector.ask("POST", f"/rest/v1/pipeline/{name}/stop?rev=0")
    until = time.monotonic() + STOPS_WITHIN
    while collector.states().get(name) in ACTIVE:
        if time.monotonic() > until:
            raise OSError(f"{name} has not stopped within {STOPS_WITHIN} s")
        time.sleep(0.2)


def differences(collector, wanted):
    states = collector.states()
    for name, config in wanted.items():
        if name not in states:
            yield name, "missing"
        elif not has(collector.config(name), config):
            yield name, "edited"
        elif states[name] not in ACTIVE:
            yield name, f"{states[name]}"
    for name, state in states.items():
        if name not in wanted and state in ACTIVE and is_ours(collector.config(name)):
            yield name, "no longer declared"


def sync(collector, wanted):
    for name, what in list(differences(collector, wanted)):
        print(f"{name}: {what}")
        if name not in wanted:
            stop(collector, name)
            continue
        if what in ("missing", "edited"):
            if collector.states().get(name) in ACTIVE:
                stop(collector, name)
            body = {"pipelineConfig": {**wanted[name], "pipelineId": name}, "pipelineRules": None}
            path = f"/rest/v1/pipeline/{name}/import?rev=0&overwrite=true&autoGeneratePipelineId=false"
            collector.ask("POST", path, body)
        collector.ask("POST", f"/rest/v1/pipeline/{name}/start?rev=0")


def status(collector, wanted):
    states = collector.states()
    problems = [f"{name} is {states.get(name, 'missing')}" for name in wanted if states.get(name) != "RUNNING"]
    others = {name: state for name, state in states.items() if name not in wanted}
    # What somebody else runs there goes on, too; what they have stopped is theirs.
    problems += [f"{name} is {state}" for name, state in others.items()
                 if state.endswith("_ERROR") or state in ACTIVE - {"RUNNING"}]
    running = sum(states.get(name) == "RUNNING" for name in wanted)
    print(json.dumps({"running": running, "declared": len(wanted), "problems": problems, "others": sorted(others)}))


def configure(conf, vendor, etc):
    """Its folder of configuration: what its version comes with, such as the policy without which it refuses to start, and ours
    in its place. Of its properties both: the last of two lines counts."""
    shutil.rmtree(etc, ignore_errors=True)
    shutil.copytree(vendor, etc, copy_function=shutil.copyfile)
    for own in conf.glob("*.properties"):
        before = (vendor / own.name).read_text() + "\n" if own.name == "sdc.properties" else ""
        to = etc / own.name
        to.unlink(missing_ok=True)
        to.touch(mode=0o600)
        to.write_text(before + own.read_text())


def start(conf, command):
    """The first start and every later one, whoever starts it. Who synchronises is nobody's child, so that nobody has to wait."""
    if os.fork() == 0:
        if os.fork() == 0:
            until = time.monotonic() + ANSWERS_WITHIN
            while time.monotonic() < until:
                try:
                    sync(Collector(conf), declared(conf))
                    break
                except (OSError, ValueError, KeyError):
                    time.sleep(1)
        os._exit(0)
    os.wait()
    configure(conf, Path(command[0]).parent.parent / "etc", Path(os.environ["SDC_CONF"]))
    os.execv(command[0], command)


def main(what, conf, *command):
    conf = Path(conf)
    if what == "start":
        start(conf, command)
    collector, wanted = Collector(conf), declared(conf)
    if what == "sync":
        sync(collector, wanted)
    elif what == "check":
        print("\n".join(f"{name}: {why}" for name, why in differences(collector, wanted)))
    elif what == "status":
        status(collector, wanted)
    else:
        print(collector.ask("GET", "/rest/v1/system/info")["version"])


try:
    main(*sys.argv[1:])
except (OSError, ValueError, KeyError, AttributeError) as error:
    print(error)
    sys.exit(1)

"""Keeps rules of an elastalert-server as the files beside this one, over its HTTP interface. Standard library only.

rules.py sync CONF      writes what is declared; deletes ours that no longer is. What people have made there is theirs.
rules.py check CONF     prints what differs, a line for each; nothing when nothing does
rules.py status CONF    prints JSON: how many are declared, what is wrong, which others there are
rules.py start CONF COMMAND…    runs the service in its folder, and has its rules in step as soon as it answers
"""
import contextlib
import ctypes
import functools
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

# The first line of a rule that is ours: it says where to change it.
OURS = "# declared beside cluster.kdl: what is changed here is changed back\n"
ANSWERS_WITHIN = 120
PR_SET_PDEATHSIG = 1
LARGEST = 1 << 20


class Server:
    def __init__(self, conf):
        with open(conf / "rules.json", encoding="utf-8") as file:
            self.about = json.load(file)

    def ask(self, method, path, body=None, base=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request((base or self.about["url"]) + path, data, {"Content-Type": "application/json"}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=5) as answer:
                return answer.read(LARGEST).decode()
        except urllib.error.HTTPError as error:
            raise OSError(f"{method} {path}: {error.code} {error.read(500).decode('utf-8', 'replace')}") from error

    def rules(self):
        """The texts of its rules by their names."""
        names = json.loads(self.ask("GET", "/rules"))["rules"]
        return {name: self.ask("GET", f"/rules/{name}") for name in sorted(names)}

    def ran(self):
        """Names of the rules that have run lately, by the records of ElastAlert."""
        # What the process before this one has run says nothing of this one.
        started = Path(self.about["since"])
        oldest = max(time.time() - int(self.about["fresh"]), int(started.read_text()) if started.exists() else 0)
        since = {"range": {"@timestamp": {"gte": int(oldest * 1000), "format": "epoch_millis"}}}
        query = {"size": 0, "query": since}
        why = OSError("no Elasticsearch is declared")
        # Its own mapping has names as keywords; one that was made by itself has them below the text.
        for field in ("rule_name", "rule_name.keyword"):
            query["aggs"] = {"names": {"terms": {"field": field, "size": 10000}}}
            for base in self.about["elasticsearch"]:
                try:
                    path = "/{0}_status,{0}/_search?ignore_unavailable=true".format(self.about["index"])
                    found = json.loads(self.ask("POST", path, query, base)).get("aggregations", {})
                    return {bucket["key"] for bucket in found.get("names", {}).get("buckets", [])}
                except OSError as error:
                    why = error
        raise why


def declared(conf):
    found = {}
    for file in sorted((conf / "rules").glob("*")):
        if file.suffix != ".yaml" or not re.fullmatch(r"[A-Za-z0-9_-]{1,100}", file.stem):
            raise OSError(f"{file.name}: a rule is NAME.yaml, with letters, digits, '_' and '-'")
        found[file.stem] = OURS + file.read_text(encoding="utf-8")
    return found


def differences(there, wanted):
    for name, text in wanted.items():
        if there.get(name) != text:
            yield name, "missing" if name not in there else "edited"
    for name, text in there.items():
        if name not in wanted and text.startswith(OURS):
            yield name, "no longer declared"


def sync(server, wanted):
    for name, what in list(differences(server.rules(), wanted)):
        print(f"{name}: {what}")
        if name in wanted:
            server.ask("POST", f"/rules/{name}", {"yaml": wanted[name]})
        else:
            server.ask("DELETE", f"/rules/{name}")


def status(server, wanted):
    there, ran = server.rules(), server.ran()
    problems = [f"{name} is {what}" for name, what in differences(there, wanted)]
    for name, text in there.items():
        said = re.search(r"^name:\s*(.+?)\s*$", text, re.M)
        if name in wanted and (said.group(1).strip("'\"") if said else name) not in ran:
            problems.append(f"{name} has not run in the last {server.about['fresh']} s")
    print(json.dumps({"declared": len(wanted), "problems": problems, "others": sorted(set(there) - set(wanted))}))


def start(conf, command):
    """The first start and every later one, whoever starts it. Who synchronises is nobody's child, so that nobody has to wait."""
    if os.fork() == 0:
        if os.fork() == 0:
            until = time.monotonic() + ANSWERS_WITHIN
            while time.monotonic() < until:
                try:
                    sync(Server(conf), declared(conf))
                    break
                except (OSError, ValueError, KeyError):
                    time.sleep(1)
        os._exit(0)
    os.wait()
    os.chdir(conf)
    Path(Server(conf).about["since"]).write_text(str(int(time.time())))
    sys.exit(stay(command))


def stay(command):
    """The service as a group of processes of its own. When its ElastAlert dies it ends with 0, as if somebody had wanted that, and
    nobody would start it again. What ends this process ends all of them."""
    child, wanted = None, []

    def end(number, _):
        wanted.append(number)
        if child:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, number)

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    # Who is killed can tell nobody: the kernel does.
    told = functools.partial(ctypes.CDLL(None).prctl, PR_SET_PDEATHSIG, signal.SIGTERM)
    child = subprocess.Popen(command, start_new_session=True, preexec_fn=told)
    if wanted:
        end(wanted[0], None)
    code = child.wait()
    return 0 if wanted else code if code > 0 else 1


def main(what, conf, *command):
    conf = Path(conf)
    if what == "start":
        start(conf, command)
    server, wanted = Server(conf), declared(conf)
    if what == "sync":
        sync(server, wanted)
    elif what == "check":
        print("\n".join(f"{name}: {why}" for name, why in differences(server.rules(), wanted)))
    else:
        status(server, wanted)


try:
    main(*sys.argv[1:])
except (OSError, ValueError, KeyError, AttributeError) as error:
    print(error)
    sys.exit(1)

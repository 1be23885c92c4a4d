"""Runs ElastAlert as it is, with what it needs and a host has not.

run.py CONFIG INDEX LEVEL          makes the index that it writes to, if need be, then runs the rules
run.py --fresh CONFIG INDEX AGE    whether it has run its rules in the last AGE seconds, by its own records
"""
import importlib.abc
import importlib.machinery
import json
import sys
import time
import types
import urllib.request
from pathlib import Path

# The time of its start: what the process before it has run says nothing of this one.
SINCE = Path({{ (dirs.run ~ "/since") | tojson }})
ABSENT = ("aws_requests_auth", "boto3", "exotel", "jira", "jsonpointer", "pyzabbix", "stomp", "tencentcloud", "twilio")


class Absent(Exception):
    """Whatever is taken from a package that is not there: it can be named, and not be used."""

    def __init__(self, *_, **__):
        super().__init__("this alerter needs a package that is not part of this installation")
        raise self


class Stubs(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Some alerters import clients of clouds and paid services as soon as ElastAlert starts."""

    def find_spec(self, name, path=None, target=None):
        absent = name.split(".")[0] in ABSENT
        return importlib.machinery.ModuleSpec(name, self, is_package=True) if absent else None

    def create_module(self, spec):
        module = types.ModuleType(spec.name)
        module.__getattr__ = lambda name: Absent
        return module

    def exec_module(self, module):
        module.__path__ = []


class Env:
    """The one class of a package that there is no wheel of: variables of the environment. There are none that count here."""

    def __init__(self, **_):
        pass

    def __call__(self, _name, default=None):
        return default


def prepare():
    sys.meta_path.append(Stubs())
    envparse = types.ModuleType("envparse")
    envparse.Env = Env
    sys.modules["envparse"] = envparse


def hosts(config):
    import yaml

    with open(config, encoding="utf-8") as file:
        return yaml.safe_load(file)["es_hosts"]


def fresh(config, index, age):
    oldest = max(time.time() - int(age), int(SINCE.read_text()) if SINCE.exists() else 0)
    query = {
        "size": 0,
        "query": {"range": {"@timestamp": {"gte": int(oldest * 1000), "format": "epoch_millis"}}},
        "aggs": {"last": {"max": {"field": "@timestamp"}}},
    }
    why = "no Elasticsearch is declared"
    for host in hosts(config):
        # From version 6 on each kind of record has an index of its own.
        url = f"http://{host}/{index}_status,{index}/_search?ignore_unavailable=true"
        ask = urllib.request.Request(url, json.dumps(query).encode(), {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(ask, timeout=5) as answer:
                body = json.load(answer)
        except OSError as error:
            why = f"{host}: {error}"
            continue
        total = body["hits"]["total"]
        total = total["value"] if isinstance(total, dict) else total
        last = (body.get("aggregations", {}).get("last", {}).get("value") or 0) / 1000
        print(f"rules ran at {time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime(last))}" if total else f"no rule was run in the last {round(time.time() - oldest)} s")
        return 0 if total else 1
    print(why)
    return 1


def run(config, index, level):
    prepare()
    SINCE.write_text(str(int(time.time())))
    from elastalert import create_index, elastalert

    sys.argv = ["elastalert-create-index", "--config", config, "--index", index, "--old-index", ""]
    create_index.main()
    sys.argv = ["elastalert", "--config", config, "--es_debug"] if level == "debug" else ["elastalert", "--config", config]
    if level in ("debug", "info"):
        sys.argv.append("--verbose")
    elastalert.main(sys.argv[1:])


if __name__ == "__main__":
    if sys.argv[1] == "--fresh":
        sys.exit(fresh(*sys.argv[2:]))
    run(*sys.argv[1:])

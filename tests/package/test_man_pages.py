"""The man pages: they render without warnings, and say neither more nor less than the programs do."""

import os
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(os.environ.get("NTC_BIN", ROOT / "build/bin"))
PROGRAMS = ("collector", "aggregator", "gateway")


def source_of(name):
    if name != "ntc.yaml.5":
        return (ROOT / "docs/man" / name).read_text()
    return subprocess.run(["awk", "-v", "version=0", "-f", ROOT / "deploy/debian/man-config.awk",
                           ROOT / "configs/ntc.yaml"],
                          capture_output=True, text=True, check=True).stdout


def help_of(program):
    return subprocess.run([BIN / f"ntc-{program}", "--help"], capture_output=True, text=True,
                          check=True).stdout


@pytest.mark.parametrize("name", [f"ntc-{program}.8" for program in PROGRAMS] + ["ntc.yaml.5"])
def test_a_page_renders_without_warnings(name):
    done = subprocess.run(["groff", "-man", "-ww", "-Tutf8", "-z"], input=source_of(name),
                          capture_output=True, text=True, env={**os.environ, "LC_ALL": "C.UTF-8"})
    assert done.returncode == 0 and done.stderr == ""


@pytest.mark.parametrize("program", PROGRAMS)
def test_every_option_is_explained_and_exists(program):
    options = set(re.findall(r"(?m)^  --([a-z-]+)", help_of(program)))
    explained = set(re.findall(r"(?m)^\.TP\n\.BI? \\-\\-([a-z\\-]+)",
                               source_of(f"ntc-{program}.8")))
    assert {word.replace("\\-", "-") for word in explained} == options and options


@pytest.mark.parametrize("program", PROGRAMS)
def test_every_key_is_explained_with_its_default_and_exists(program):
    keys = dict(re.findall(r"(?m)^  ([a-z_]+\.[a-z_]+)=(.*)$", help_of(program)))
    explained = dict(re.findall(r'(?m)^\.TP\n\.BR (\S+) " \(default: (.*)\)"$',
                                source_of("ntc.yaml.5")))
    assert set(explained) == set(keys) and keys
    for key, value in explained.items():
        text = value.replace("\\-", "-").replace("\\(dq", '"').strip('"')
        assert text == keys[key].strip('"'), key

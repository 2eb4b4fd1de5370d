"""The packages as files: what Debian's own checker says, and what is in them."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = sorted((ROOT / "build").glob("ntc_*.deb"))


def run(*command, **options):
    return subprocess.run([str(word) for word in command], capture_output=True, text=True,
                          **options)


@pytest.fixture(params=PACKAGES, ids=lambda path: path.stem)
def package(request):
    return request.param


def test_there_is_a_package():
    assert PACKAGES, "make deb"


def test_lintian_has_nothing_to_say(package):
    done = run("lintian", "--allow-root", package)
    assert done.returncode == 0 and done.stdout == "", done.stdout + done.stderr


def test_every_override_is_explained_and_used(package):
    text = (ROOT / "deploy/debian/lintian-overrides").read_text()
    tags = re.findall(r"(?m)^ntc: (\S+)", text)
    for tag in tags:
        assert re.search(rf"(?m)^#.*\n(?:ntc: .*\n)*ntc: {tag}", text), tag
    shown = run("lintian", "--allow-root", "--show-overrides", "-E", package).stdout
    assert not [tag for tag in tags if f"O: ntc: {tag}" not in shown]


def test_the_configuration_is_valid_and_names_the_folders_of_the_service(package, tmp_path):
    run("dpkg-deb", "-x", package, tmp_path)
    text = (tmp_path / "etc/ntc/ntc.yaml").read_text()
    for line in ("  path: /var/lib/ntc/lists.json", "  pin_path: /run/ntc/bpf/ntc",
                 "  token_file: /var/lib/ntc-gateway/admin.token"):
        assert line in text.splitlines()
    if package.stem.endswith("amd64"):
        done = run(tmp_path / "usr/sbin/ntc-gateway", "--config", tmp_path / "etc/ntc/ntc.yaml",
                   "--check-config")
        assert done.returncode == 0, done.stderr


def test_programs_are_hardened(package, tmp_path):
    run("dpkg-deb", "-x", package, tmp_path)
    for program in ("collector", "aggregator", "gateway"):
        text = run("readelf", "-hldW", tmp_path / f"usr/sbin/ntc-{program}").stdout
        assert "DYN (Position-Independent" in text
        assert "GNU_RELRO" in text and "BIND_NOW" in text
        assert re.search(r"GNU_STACK .* RW ", text)

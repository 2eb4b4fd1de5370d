"""deploy.sh with a device that is played by scripts: what it runs, and that it stops at a failure."""

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TARGETS = ("local", "rpi", "rpi-build", "rpi-install-dependencies", "rpi-install-service",
           "rpi-install-stack")


@pytest.fixture
def deploy(tmp_path):
    """Run it in a copy of what it needs; ssh, scp, make and the package builder only note what they get."""
    tree, log = tmp_path / "tree", tmp_path / "log"
    (tree / "deploy").mkdir(parents=True)
    for name in ("Makefile", "deploy/deploy.sh"):
        (tree / name).write_bytes((ROOT / name).read_bytes())
    (tree / "deploy/deploy.sh").chmod(0o755)
    (tree / "README.md").write_text("text\n")
    tools = tmp_path / "tools"
    tools.mkdir()
    note = f'#!/bin/sh\necho "$(basename "$0") $*" >>{log}\n'
    ssh = note + '''case "$*" in
*"$FAIL_ON"*) [ -z "$FAIL_ON" ] || exit 7 ;;
*dpkg*--print-architecture*) printf '%s\\n' ${MACHINE:-aarch64 arm64} ;;
*tar*) cat >/dev/null ;;
esac
'''.replace('*"$FAIL_ON"*) [ -z "$FAIL_ON" ] || exit 7 ;;',
            '*"${FAIL_ON:-never}"*) exit 7 ;;')
    make = note.replace("echo", 'case "$*" in *packages) exec /usr/bin/make "$@" ;; esac\necho', 1)
    for path, text in ((tools / "ssh", ssh), (tools / "scp", note), (tools / "make", make),
                       (tree / "deploy/build-deb.sh", note)):
        path.write_text(text)
        path.chmod(0o755)

    def run(*words, env="RPI_HOST=pi@device\n", **variables):
        if env:
            (tree / "deploy.env").write_text(env)
        log.write_text("")
        done = subprocess.run([tree / "deploy/deploy.sh", *words], capture_output=True, text=True,
                              env={**os.environ, **variables,
                                   "PATH": f"{tools}:{os.environ['PATH']}"})
        return done, log.read_text().splitlines()

    return run


def test_shellcheck_finds_nothing_to_say():
    scripts = [path for path in (ROOT / "deploy").rglob("*")
               if path.is_file() and path.read_bytes().startswith((b"#!/bin/sh", b"#!/bin/bash"))]
    assert len(scripts) >= 8
    done = subprocess.run(["shellcheck", *scripts], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("target", TARGETS)
def test_a_dry_run_shows_commands_and_runs_none(deploy, target):
    done, log = deploy("--dry-run", target)
    assert done.returncode == 0 and log == []
    assert any(line.startswith("+ ") for line in done.stdout.splitlines())


def test_a_local_build_has_programs_configuration_and_page(deploy, tmp_path):
    tree = tmp_path / "tree"
    for name in ("build/bin/ntc-collector", "build/bin/ntc-aggregator", "build/bin/ntc-gateway",
                 "configs/ntc.yaml", "webui/dist/index.html", "execute/webui/of-yesterday.js"):
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text(name)
    done, log = deploy("local")
    assert done.returncode == 0 and log == ["make -s all webui"], done.stderr
    made = {str(path.relative_to(tree / "execute")) for path in (tree / "execute").rglob("*")}
    assert made == {"ntc-collector", "ntc-aggregator", "ntc-gateway", "ntc.yaml", "webui",
                    "webui/index.html"}


def test_the_package_is_built_copied_and_installed(deploy):
    done, log = deploy("rpi")
    assert done.returncode == 0, done.stdout + done.stderr
    names = [line.split()[0] for line in log]
    assert names == ["ssh", "build-deb.sh", "scp", "ssh", "ssh"]
    assert log[1].endswith(" arm64") and "pi@device:ntc_" in log[2]
    assert "apt-get install" in log[3] and "--doctor" in log[4]


def test_interfaces_are_written_into_the_configuration(deploy):
    _, log = deploy("rpi-install-service", env="RPI_HOST=pi@device\nNTC_INTERFACES='[eth0]'\n")
    assert any("interfaces: [eth0]" in line and "/etc/ntc/ntc.yaml" in line for line in log)


def test_sources_are_copied_without_node_modules(deploy):
    done, log = deploy("rpi-build")
    assert done.returncode == 0 and any("tar -x -C ntc" in line for line in log)
    assert "--exclude=node_modules" in done.stdout


def test_dependencies_are_those_of_the_makefile(deploy):
    _, log = deploy("rpi-install-dependencies")
    assert any("libczmq-dev" in line and "clang" in line for line in log)


def test_the_first_failure_ends_all(deploy):
    done, log = deploy("rpi", "rpi-install-stack", FAIL_ON="apt-get install")
    assert done.returncode == 1 and "failed: ssh" in done.stderr
    assert not any("docker" in line for line in log)


def test_a_32_bit_system_is_refused_before_anything_is_done(deploy):
    done, log = deploy("rpi", MACHINE="aarch64 armhf")
    assert done.returncode == 1 and "64 bit" in done.stderr and len(log) == 1


def test_without_a_device_it_says_what_to_do(deploy):
    done, log = deploy("rpi", env="", RPI_HOST="")
    assert done.returncode == 1 and "deploy.env.example" in done.stderr and log == []


def test_an_unknown_target_is_told(deploy):
    done, _ = deploy("rpj")
    assert done.returncode == 2 and '"rpj" is no target' in done.stderr

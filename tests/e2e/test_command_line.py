"""Options, configuration and starts that must fail, each with a sentence that helps."""

import os
import re
import signal
import subprocess

import pytest

from conftest import BIN, ROOT, Process, wait_until

PROGRAMS = ("collector", "aggregator", "gateway")
NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")


def ntc_program(program, *options, **popen):
    return subprocess.run([str(BIN / f"ntc-{program}"), *map(str, options)], capture_output=True,
                          text=True, timeout=15, **popen)


def assert_usage_error(done, *words):
    assert done.returncode == 2, done
    assert done.stdout == ""
    for word in words:
        assert word in done.stderr, done.stderr


# ---- options ----

@pytest.mark.parametrize("program", PROGRAMS)
def test_help_names_every_option_and_key(program):
    done = ntc_program(program, "--help")
    assert done.returncode == 0 and done.stderr == ""
    for word in (f"Usage: ntc-{program}", "--config FILE", "--set KEY=VALUE", "--check-config",
                 "--version", "server.port=8086", "bus.directory"):
        assert word in done.stdout, word
    assert ("--mock" in done.stdout) == (program == "collector")
    assert max(map(len, done.stdout.splitlines())) <= 100


@pytest.mark.parametrize("program", PROGRAMS)
def test_version_is_that_of_the_build(program):
    wanted = re.search(r"^VERSION := (\S+)", (ROOT / "Makefile").read_text(), re.M).group(1)
    done = ntc_program(program, "--version")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"ntc-{program} {wanted}\n", "")


@pytest.mark.parametrize("program", PROGRAMS)
def test_check_config_prints_the_effective_values_as_a_file(program, tmp_path):
    config = tmp_path / "ntc.yaml"
    config.write_text("server: {port: 9000, read_token: a-secret-that-is-not-shown}\n"
                      "network:\n  interfaces: [eth0, 'wlan*']\n")
    done = ntc_program(program, "--config", config, "--set", "server.port=9001", "--check-config")
    assert done.returncode == 0 and done.stderr == ""
    assert "port: 9001" in done.stdout and "a-secret" not in done.stdout
    printed = tmp_path / "printed.yaml"
    printed.write_text(done.stdout.replace('"(set)"', '"x"'))
    again = ntc_program(program, "--config", printed, "--check-config")
    assert again.returncode == 0 and again.stdout == done.stdout, again.stderr


def test_the_shipped_configuration_holds_exactly_the_defaults(tmp_path):
    empty = tmp_path / "empty.yaml"
    empty.write_text("")
    shipped = ntc_program("gateway", "--config", ROOT / "configs/ntc.yaml", "--check-config")
    assert shipped.returncode == 0, shipped.stderr
    assert shipped.stdout == ntc_program("gateway", "--config", empty, "--check-config").stdout


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("options,words", [
    (["--nonsense"], ["--nonsense", "--help"]),
    (["--confg", "x"], ["--confg", "did you mean --config?"]),
    (["--set"], ["--set", "needs a value"]),
    (["--set", "server.port"], ['"server.port"', "block.key=value"]),
    (["--set", "server.prot=1"], ["server.prot", "did you mean server.port?"]),
    (["--set", "server.port=x"], ["server.port", '"x"', "0 to 65535"]),
    (["--set", "nonsense.key=1"], ["nonsense"]),
    (["file.yaml"], ['"file.yaml"']),
    (["-v"], ['"-v"']),
    (["--check-config=1"], ["--check-config", "no value"]),
    (["--config", "/nonexistent/ntc.yaml"], ["/nonexistent/ntc.yaml", "No such file"]),
    (["--config", "/etc"], ["/etc", "directory"]),
    (["--config", "a", "--config", "b"], ["--config", "twice"]),
])
def test_bad_usage_is_explained(program, options, words):
    assert_usage_error(ntc_program(program, *options), f"ntc-{program}: ", *words)


@pytest.mark.parametrize("options,words", [
    (["--mock-rate", "fast", "--mock"], ["--mock-rate", '"fast"', "max"]),
    (["--mock-rate", "-1", "--mock"], ["--mock-rate"]),
    (["--mock-rate", "10"], ["--mock-rate", "--mock"]),
    (["--mock-seed", "x", "--mock"], ["--mock-seed"]),
    (["--mock", "--replay", "x"], ["--mock", "--replay"]),
    (["--replay-speed", "2"], ["--replay"]),
    (["--replay", "x", "--replay-speed", "0"], ["--replay-speed"]),
    (["--replay", "x", "--replay-speed", "nan"], ["--replay-speed"]),
])
def test_bad_options_of_the_collector_are_explained(options, words):
    assert_usage_error(ntc_program("collector", *options), "ntc-collector: ", *words)


BAD_CONFIGS = [
    # text, line, words
    ("server:\n  prot: 8086\n", 2, ["server.prot", "server.port"]),
    ("servr:\n  port: 8086\n", 1, ["servr", "server"]),
    ("server:\n  port: 70000\n", 2, ["server.port", "70000", "65535"]),
    ("server:\n  port: -1\n", 2, ["server.port", "-1"]),
    ("server:\n  port: 8086x\n", 2, ["server.port", "8086x"]),
    ("server:\n  port: [1]\n", 2, ["server.port"]),
    ("server:\n  port: 1\n  port: 2\n", 3, ["server.port", "twice"]),
    ("server:\n  listen: '::'\n", 2, ["server.listen", "::", "IPv4"]),
    ("server:\n  timezone: Mars/Olympus\n", 2, ["server.timezone", "Mars/Olympus"]),
    ("server:\n  base_path: ntc\n", 2, ["server.base_path", "ntc", "/"]),
    ("server:\n  trusted_proxies: [10.0.0.1/8]\n", 2, ["server.trusted_proxies", "10.0.0.0/8"]),
    ("network:\n  on_stop: maybe\n", 2, ["network.on_stop", "maybe", "detach", "keep"]),
    ("network:\n  bypass_ports: [22, 0]\n", 2, ["network.bypass_ports", "0"]),
    ("network:\n  interfaces: eth0/1\n", 2, ["network.interfaces"]),
    ("network:\n  pin_path: relative\n", 2, ["network.pin_path", "relative"]),
    ("events:\n\n  ring_mib: 7\n", 3, ["events.ring_mib", "7", "power of two"]),
    ("aggregator: 5\n", 1, ["aggregator"]),
    ("bus:\n  collectors: ['tcp://10.0.0.1:5000x']\n", 2, ["bus.collectors"]),
    ("server:\n\tport: 1\n", 2, ["YAML"]),
    ("server: {port: 1\n", None, ["YAML"]),
    ("a: &x 1\nb: *x\n", None, []),
    ("--- \nserver: {}\n---\nserver: {}\n", None, []),
    ("- 1\n", 1, []),
    ("\xff\xfe", None, []),
]


@pytest.mark.parametrize("text,line,words", BAD_CONFIGS,
                         ids=[repr(row[0])[:40] for row in BAD_CONFIGS])
def test_a_bad_configuration_is_explained_with_file_and_line(tmp_path, text, line, words):
    config = tmp_path / "ntc.yaml"
    config.write_bytes(text.encode("latin-1"))
    for program in PROGRAMS:
        for more in ([], ["--check-config"]):
            done = ntc_program(program, "--config", config, *more)
            place = f"{config}:{line}: " if line else f"{config}:"
            assert_usage_error(done, place, *words)


def test_all_mistakes_are_told_at_once(tmp_path):
    config = tmp_path / "ntc.yaml"
    config.write_text("server:\n  port: x\n  nonsense: 1\nnetwork:\n  on_stop: maybe\n")
    done = ntc_program("gateway", "--config", config, "--set", "bus.queue=0")
    assert_usage_error(done, f"{config}:2:", f"{config}:3:", f"{config}:5:", "bus.queue")
    assert len(done.stderr.splitlines()) == 4


# ---- starts that fail, and starts that must not ----

def assert_start_fails(process, *words):
    assert process.popen.wait(15) == 1, process.log()
    errors = [line for line in process.log().splitlines() if line.startswith("<3>")]
    assert errors, process.log()
    for word in words:
        assert word in process.log(), process.log()


def test_an_interface_that_does_not_exist_is_a_warning(quiet_ntc):
    ntc = quiet_ntc
    ntc.settings["network.interfaces"] = "[nothere0, port]"
    ntc.start_all()
    log = ntc.processes["collector"].log()
    assert re.search(r"<4>collector: .*nothere0", log)
    assert ntc.metrics()['ntc_interface_attached{interface="port"}'] == 1
    assert ntc.metrics()['ntc_interface_attached{interface="nothere0"}'] == 0
    ntc.network.router.run("ip", "link", "add", "nothere0", "type", "veth", "peer", "name", "other")
    wait_until(lambda: ntc.metrics()['ntc_interface_attached{interface="nothere0"}'] == 1,
               "it is watched when it comes")


def test_without_privileges_the_collector_says_what_it_needs(mock_ntc):
    os.chmod(mock_ntc.folder, 0o777)
    process = Process("collector", [*NOBODY, *mock_ntc.command("collector")], mock_ntc.folder)
    assert_start_fails(process, "CAP_BPF", "CAP_NET_ADMIN")
    assert "make demo" in process.log() or "--mock" in process.log()
    process.log_file.close()


def test_without_a_bpf_file_system_the_collector_says_how_to_get_one(quiet_ntc):
    quiet_ntc.settings["network.pin_path"] = os.path.join(quiet_ntc.folder, "no-bpffs", "ntc")
    assert_start_fails(quiet_ntc.launch("collector"), "network.pin_path", "mount -t bpf")


@pytest.mark.parametrize("program", ["collector", "aggregator"])
def test_a_second_one_on_the_same_bus_is_refused(mock_ntc, program):
    """libzmq would let it steal the socket in silence."""
    mock_ntc.start_all("--mock")
    options = ["--mock"] if program == "collector" else []
    second = Process(f"second-{program}", mock_ntc.command(program, *options), mock_ntc.folder)
    assert_start_fails(second, f"another {program}", mock_ntc.settings["bus.directory"])
    second.log_file.close()
    mock_ntc.block("192.0.2.1")
    assert mock_ntc.get("/readyz").status == mock_ntc.get("/api/flows").status == 200
    mock_ntc.processes[program].stop()      # the sockets were not taken away from the first
    mock_ntc.start(program, *options)
    wait_until(lambda: mock_ntc.get("/blacklist").status == 200
               and mock_ntc.get("/api/flows").status == 200, "it works again")


def test_a_collector_that_was_killed_leaves_nothing_that_stops_the_next(mock_ntc):
    for _ in range(3):
        for program in PROGRAMS[:2]:
            mock_ntc.start(program, *(["--mock"] if program == "collector" else []))
        for program in PROGRAMS[:2]:
            mock_ntc.processes[program].popen.kill()
            mock_ntc.processes[program].popen.wait()


def test_a_second_gateway_on_the_same_port_is_refused(mock_ntc):
    mock_ntc.start("gateway")
    port = mock_ntc.url.rsplit(":", 1)[1]
    second = Process("second-gateway", mock_ntc.command("gateway", "--set", f"server.port={port}"),
                     mock_ntc.folder)
    assert_start_fails(second, port, "127.0.0.1", "in use")
    second.log_file.close()
    assert mock_ntc.get("/healthz").status == 200


def test_an_address_that_is_not_ours_is_refused(mock_ntc):
    mock_ntc.settings["server.listen"] = "192.0.2.123"
    assert_start_fails(mock_ntc.launch("gateway"), "192.0.2.123")


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_bus_folder_that_cannot_be_made_is_refused(mock_ntc, program):
    mock_ntc.settings["bus.directory"] = "/proc/nothing/bus"
    process = mock_ntc.launch(program, *(["--mock"] if program == "collector" else []))
    if program == "gateway":    # it only connects: the folder may come later
        process.wait_log("serving")
    else:
        assert_start_fails(process, "/proc/nothing/bus")


def test_a_token_file_that_others_can_read_is_refused(mock_ntc):
    token = os.path.join(mock_ntc.folder, "admin.token")
    with open(token, "w") as file:
        file.write("a" * 40 + "\n")
    os.chmod(token, 0o644)
    assert_start_fails(mock_ntc.launch("gateway"), token, "chmod 600")
    os.chmod(token, 0o600)
    mock_ntc.start("gateway")
    with open(token, "w") as file:
        file.write("short\n")
    mock_ntc.processes["gateway"].stop()
    assert_start_fails(mock_ntc.launch("gateway"), token, "16 to 128")


def test_the_synthetic_source_runs_without_privileges_all_the_way_to_the_page(mock_ntc):
    os.chmod(mock_ntc.folder, 0o777)
    mock_ntc.settings["persistence.path"] = os.path.join(mock_ntc.folder, "own", "lists.json")
    for program in PROGRAMS:
        options = ["--mock"] if program == "collector" else []
        command = [*NOBODY, *mock_ntc.command(program, *options)]
        process = mock_ntc.processes[program] = Process(program, command, mock_ntc.folder)
        if program == "gateway":
            port = process.wait_log(r"http://127\.0\.0\.1:(\d+)").group(1)
            mock_ntc.url = f"http://127.0.0.1:{port}"
    mock_ntc.wait_ready()
    assert os.stat(f"/proc/{mock_ntc.processes['collector'].popen.pid}").st_uid == 65534
    mock_ntc.block("192.0.2.1", reason="as nobody")
    assert mock_ntc.get("/blacklist").json()[0]["reason"] == "as nobody"
    with mock_ntc.watch() as stream:
        assert stream.next()["interface"]
    assert "<html" in mock_ntc.get("/").text
    assert "<3>" not in mock_ntc.logs()
    for program in reversed(PROGRAMS):
        assert mock_ntc.processes[program].stop()[0] == 0
    assert os.listdir(mock_ntc.settings["bus.directory"]) == []


@pytest.mark.parametrize("signal_name", ["SIGTERM", "SIGINT"])
def test_each_stops_with_0_within_a_second_and_leaves_no_socket(mock_ntc, signal_name):
    mock_ntc.start_all("--mock", "--mock-rate", 1000)
    for program in ("gateway", "aggregator", "collector"):
        code, seconds = mock_ntc.processes[program].stop(getattr(signal, signal_name))
        assert code == 0 and seconds < 2.5, program
    assert os.listdir(mock_ntc.settings["bus.directory"]) == []

"""From outside, through nginx."""

import time


def test_fares_come_through_nginx(ferry):
    status, server, answer = ferry.get("/fares?from=Hafen&to=Insel&child")
    assert (status, answer["cents"]) == (200, 350)
    assert server.startswith("nginx")
    assert answer["client"], "only nginx sets it"


def test_what_is_wrong_is_told(ferry):
    status, _, answer = ferry.get("/fares?from=Hafen&to=Mond")
    assert (status, answer) == (400, {"error": "no such stop: Mond"})


def test_the_process_manager_runs_all_of_it(ferry, dockerci_services):
    deadline = time.monotonic() + 20
    running = set()
    while running != {"ferry", "nginx"} and time.monotonic() < deadline:
        # For its first second, supervisor calls a program "STARTING".
        found = dockerci_services["web"].exec(["supervisorctl", "-c", "etc/supervisord.conf", "status"])
        running = {line.split()[0] for line in found.stdout.splitlines() if "RUNNING" in line}
    assert running == {"ferry", "nginx"}


def test_an_application_server_that_dies_is_started_again(ferry, dockerci_services):
    before = ferry.get("/health")[2]["pid"]
    dockerci_services["web"].exec(["node", "-e", f"process.kill({before}, 'SIGKILL')"])
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        status, _, answer = ferry.get("/health")
        if status == 200 and answer["pid"] != before:
            break
        assert status in (200, 502)
        time.sleep(0.1)
    else:
        raise AssertionError("it was not started again")

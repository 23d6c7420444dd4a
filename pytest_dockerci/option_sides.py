"""Which side an option belongs to, where its name alone tells. Data only.

The container's pytest gets what decides how tests are collected and run (`arguments` passes on pytest's
own options). An option of any other plugin that the host knows goes to both sides, and is dropped in the
container where nobody knows it, unless it stands in one of the tables below.
"""

from __future__ import annotations

# Options of pytest itself whose work is done on the host: they select by id, decide when the run ends, show and
# write results, or name places on the host. One name for each option; `arguments` may pass some on as well.
PYTEST_ON_HOST = {
    "--markers": "lists",
    "--fixtures": "lists",
    "--fixtures-per-test": "lists",
    "--log-cli-level": "shows",
    "--log-cli-format": "shows",
    "--log-cli-date-format": "shows",
    "--log-file": "writes",
    "--log-file-mode": "writes",
    "--log-file-level": "writes",
    "--log-file-format": "writes",
    "--log-file-date-format": "writes",
    "--exitfirst": "ends the run",
    "--maxfail": "ends the run",
    "--lf": "selects by id, remembers on the host",
    "--ff": "orders, remembers on the host",
    "--nf": "orders, remembers on the host",
    "--lfnf": "selects by id",
    "--sw": "ends the run, remembers on the host",
    "--sw-skip": "ends the run, remembers on the host",
    "--sw-reset": "remembers on the host",
    "--cache-show": "shows the host's cache",
    "--cache-clear": "clears the host's cache",
    "--deselect": "selects by id",
    "--durations": "shows",
    "--durations-min": "shows",
    "--no-header": "shows",
    "--no-summary": "shows",
    "--no-fold-skipped": "shows",
    "--force-short-summary": "shows",
    "-r": "shows",
    "--disable-warnings": "shows",
    "--xfail-tb": "shows",
    "--code-highlight": "shows",
    "--pastebin": "writes",
    "--junit-xml": "writes",
    "--junit-prefix": "writes",
    "--basetemp": "a folder of the host, which is emptied",
    "--rootdir": "a folder of the host; the container has its own",
    "-c": "a file of the host; the container reads it at its place there",
    "--pyargs": "the host finds the packages",
    "-V": "ends at once",
    "-h": "ends at once",
    "--trace-config": "shows the host's configuration",
    "--debug": "writes the host's trace",
}

# Options of plugins that do their work on the host, wherever the tests run. A name that ends with "-" stands for
# all that begin with it. Sources: each plugin's documentation of its command line.
PLUGIN_ON_HOST = {
    **dict.fromkeys(
        (
            *(
                "-n",
                "--numprocesses",
                "--maxprocesses",
                "--max-worker-restart",
                "--dist",
                "--tx",
                "--px",
                "-d",
            ),
            *("--loadscope-reorder", "--no-loadscope-reorder", "--rsyncdir", "--rsyncignore", "--testrunuid"),
            *("--maxschedchunk", "-f", "--looponfail"),
        ),
        "pytest-xdist",
    ),
    **dict.fromkeys(
        (
            *("--reruns", "--reruns-", "--only-rerun", "--rerun-", "--fail-on-flaky", "--force-reruns"),
            "--max-suite-reruns",
        ),
        "pytest-rerunfailures",
    ),
    **dict.fromkeys(("--retries", "--retry-", "--cumulative-timing"), "pytest-retry"),
    # Of its other options each side takes what it knows: a test ends where it runs.
    "--session-timeout": "pytest-timeout",
    **dict.fromkeys(("--cov", "--cov-", "--no-cov", "--no-cov-"), "pytest-cov"),
    **dict.fromkeys(("--html", "--self-contained-html", "--css"), "pytest-html"),
    **dict.fromkeys(("--metadata", "--metadata-"), "pytest-metadata"),
    **dict.fromkeys(("--json-report", "--json-report-"), "pytest-json-report"),
    "--report-log": "pytest-reportlog",
    **dict.fromkeys(
        ("--alluredir", "--clean-alluredir", "--allure-", "--inversion"),
        "allure-pytest",
    ),
    **dict.fromkeys(("--force-sugar", "--old-summary", "--sugar-"), "pytest-sugar"),
    "--instafail": "pytest-instafail",
    **dict.fromkeys(("--teamcity", "--no-teamcity", "--jb-"), "teamcity-messages"),
    "--exclude-warning-annotations": "pytest-github-actions-annotate-failures",
    # These would take a part of a part, if they acted on both sides.
    **dict.fromkeys(
        (
            *("--splits", "--group", "--splitting-algorithm", "--store-durations", "--durations-path"),
            "--clean-durations",
        ),
        "pytest-split",
    ),
    **dict.fromkeys(("--num-shards", "--shard-id"), "pytest-shard"),
    **dict.fromkeys(("--test-group", "--test-group-"), "pytest-test-groups"),
    **dict.fromkeys(("--picked", "--parent-branch"), "pytest-picked"),
}

# Options that the host's plugin must not see: it would act on the container's tests, or look on the host for what
# only the suite has.
CONTAINER_ONLY = {
    "--benchmark-": "pytest-benchmark skips what has no `benchmark` fixture; on the host no container test has one",
    "--hypothesis-profile": "the suite's own conftest.py registers the profiles",
    "--ds": "pytest-django imports the application",
    "--dc": "pytest-django imports the application",
}

# Plugins named with -p that serve the tool that drives the host's pytest, or are the host's by nature.
HOST_TOOLS = frozenset(
    {
        "dockerci",
        "pytest_dockerci.plugin",
        "vscode_pytest",
        "unittestadapter",
        "teamcity.pytest_plugin",
        "teamcity_pytest",
        "pytest_teamcity",
        "_jb_pytest_runner",
        "xdist",
        "xdist.plugin",
        "xdist.looponfail",
        "pytest_cov",
        "pytest_cov.plugin",
        "rerunfailures",
        "pytest_rerunfailures",
        "pytest_timeout",
        "timeout",
        "terminal",
        "no:terminal",
        "no:terminalprogress",
        "terminalprogress",
        "no:dockerci",
    }
)


def side_of(name: str, table: dict[str, str]) -> str | None:
    """What a table says of an option; None when it does not name it."""
    if name in table:
        return table[name]
    prefixes = (entry for entry in table if entry.endswith("-") and name.startswith(entry))
    return next((table[entry] for entry in prefixes), None)

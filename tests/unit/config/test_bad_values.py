"""Every kind of mistake inside a well-formed file: where it is said to be, and what is said about it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from hilum.config import Settings
from hilum.errors import Problem

Read = Callable[..., Settings]
Refuse = Callable[..., tuple[Problem, ...]]

AE = "dicom:\n  scp:\n    ae-titles:\n      - "
SCP = "dicom:\n  scp:\n    "
WORKFLOW = "workflows:\n  - name: one\n    clara-ae-title: ClaraSCP\n    "
HTTP = "engines: {a: {type: http, url: https://x.example/, "
RAY = 'engines: {a: {type: ray, url: "http://head:8265", command: [x], '

# text, line:column, path, what the message says
CASES = [
    # keys
    (SCP + "prot: 104", "3:5", "dicom.scp.prot", "unknown key 'prot'; did you mean 'port'?"),
    (SCP + "reject_unknown_sources: true", "3:5", None, "did you mean 'reject-unknown-sources'?"),
    (SCP + "timeout: 5", "3:5", "dicom.scp.timeout", "did you mean 'timeouts' or dicom.scp.ae-titles[].timeout?"),
    (
        SCP + "url: x",
        "3:5",
        "dicom.scp.url",
        "did you mean ledger.url, engines.<name>.url or notifications.webhooks.<name>.url? Check the indentation",
    ),
    ("zebra: 1", "1:1", "zebra", "unknown key 'zebra'; known here: dicom, workflows, storage, ledger, engines, web"),
    ("workflow: x", "1:1", "workflow", "did you mean 'workflows'?"),
    ('"a\\nb": 1', "1:1", "'a\\nb'", "unknown key ''a\\nb''"),
    (AE + "{ae-title: A, Timeout: 5}", "4:23", "dicom.scp.ae-titles[0].Timeout", "did you mean 'timeout'?"),
    (SCP + "port: 1\n    port: 2", "4:5", "dicom.scp.port", "this key stands already in line 3; keep one of the two"),
    ("[a]: 1", "1:1", "", "a key must be a text"),
    ("~: 1", "1:1", "", "a key must be a text"),
    (SCP + "sources: [{host-ip: a}]", "3:15", "dicom.scp.sources[0].ae-title", "is missing: the calling AE title"),
    ("workflows: [{name: a}]", "1:13", "workflows[0].clara-ae-title", "this key is missing: the AE title"),
    # types
    (SCP + 'port: "104"', "3:11", "dicom.scp.port", "expected a whole number from 0 to 65535, found the text '104'"),
    (SCP + 'port: "104"', "3:11", None, "; remove the quotes"),
    (SCP + "port: 104.5", "3:11", None, "expected a whole number from 0 to 65535, found 104.5"),
    (SCP + "port: true", "3:11", None, "found true"),
    (SCP + "port: [104]", "3:11", None, "found a list"),
    (
        SCP + "port:",
        "3:5",
        None,
        "there is no value here; expected a whole number from 0 to 65535, or leave it out to get 104",
    ),
    (SCP + "port: " + "9" * 5000, "3:11", None, "found the text '999"),
    (AE + "{timeout: 5 min}", "4:19", None, "found the text '5 min'; write only the number, without a unit"),
    (SCP + "timeouts: {pdu: .inf}", "3:21", "dicom.scp.timeouts.pdu", "found the text '.inf'"),
    (SCP + "timeouts: {pdu: .nan}", "3:21", None, "found the text '.nan'"),
    (SCP + "log-dimse-datasets: yes", "3:25", None, "expected true or false, found the text 'yes'; write true"),
    (SCP + "log-dimse-datasets: off", "3:25", None, "found the text 'off'; write false"),
    (SCP + "log-dimse-datasets: 1", "3:25", None, "expected true or false, found 1; write true"),
    (SCP + "log-dimse-datasets: maybe", "3:25", None, "expected true or false, found the text 'maybe'"),
    (
        AE + "ae-title: 1234",
        "4:19",
        None,
        "expected an AE title (1 to 16 characters, no backslash), found 1234; put it in",
    ),
    (AE + "processors: one", "4:21", None, "expected a list, found the text 'one'; write [one]"),
    (AE + "processors: {a: b}", "4:21", None, "expected a list, found keys and values; begin each entry with '- '"),
    (
        SCP + "verification: true",
        "3:19",
        None,
        "expected keys and values, found true; its keys belong on the lines below",
    ),
    (SCP + "verification: [enabled]", "3:19", None, "expected keys and values, found a list; remove the '-'"),
    (AE + "ClaraSCP", "4:9", "dicom.scp.ae-titles[0]", "expected keys and values, found the text 'ClaraSCP'"),
    ("dicom: 5", "1:8", "dicom", "expected keys and values, found 5"),
    ("workflows: one", "1:12", "workflows", "expected a list, found the text 'one'"),
    ("storage: {payloads: [a]}", "1:21", "storage.payloads", "expected a folder, found a list"),
    # ranges
    (SCP + "port: 65536", "3:11", None, "expected a whole number from 0 to 65535, found 65536"),
    (SCP + "max-associations: 0", "3:23", None, "expected a whole number from 1 to 1000, found 0"),
    (SCP + "max-associations: 1001", "3:23", None, "expected a whole number from 1 to 1000, found 1001"),
    (AE + "timeout: -1", "4:18", None, "expected a whole number from 0 to 31536000, found -1"),
    (SCP + "timeouts: {artim: 0}", "3:23", None, "expected a number (more than 0, at most 31536000), found 0"),
    (SCP + "max-pdu-length: 100", "3:21", None, "from 4096 to 1048576, found 100"),
    ("storage: {watermark-percent: 101}", "1:30", None, "from 1 to 100, found 101"),
    (
        "dicom: {scu: {retry: {waits: []}}}",
        "1:30",
        "dicom.scu.retry.waits",
        "this is empty; expected at least one entry",
    ),
    ("dicom: {scu: {timeouts: {dimse: 0}}}", "1:33", "dicom.scu.timeouts.dimse", "more than 0"),
    ("dicom: {scu: {timeouts: {idle: 5}}}", "1:26", "dicom.scu.timeouts.idle", "unknown key"),
    ("dicom: {scu: {retry: {waits: [5, 0]}}}", "1:34", "dicom.scu.retry.waits[1]", "more than 0"),
    ("dicom: {scp: {ae-titles: []}}", "1:26", "dicom.scp.ae-titles", "this is empty; expected at least one entry"),
    # words of which one must be chosen
    (
        AE + "timeout-group: patient",
        "4:24",
        None,
        "expected 'Association', 'Patient', 'Study' or 'Series', found the text",
    ),
    (AE + "timeout-group: patient", "4:24", None, "found the text 'patient'; did you mean 'Patient'?"),
    (AE + "aborted-associations: drop", "4:31", None, "expected 'hold' or 'accept', found the text 'drop'"),
    (SCP + "durability: instnace", "3:17", None, "did you mean 'instance'?"),
    # AE titles, addresses, UIDs, folders, texts
    (AE + "ae-title: SeventeenLetters!", "4:19", None, "an AE title has at most 16 characters, this has 17"),
    (AE + "ae-title: 'A\\B'", "4:19", None, "an AE title may not contain '\\\\'"),
    (AE + "ae-title: '  '", "4:19", None, "at least one character that is not a space"),
    (AE + "ae-title: Köln", "4:19", None, "an AE title may not contain 'ö'"),
    (SCP + "sources: [{ae-title: A, host-ip: 10.0.0.256}]", "3:38", None, "'10.0.0.256' is not a valid IP address"),
    (
        SCP + "sources: [{ae-title: A, host-ip: 10.0.0.5/24}]",
        "3:38",
        None,
        "write 10.0.0.0/24 for the whole network or",
    ),
    (SCP + "sources: [{ae-title: A, host-ip: 10.0.0.0/33}]", "3:38", None, "'10.0.0.0/33' is not a valid network"),
    (SCP + "sources: [{ae-title: A, host-ip: 'fe80:::1'}]", "3:38", None, "'fe80:::1' is not a valid IP address"),
    (SCP + "sources: [{ae-title: A, host-ip: 'ct1:104'}]", "3:38", None, "the port has a key of its own"),
    (SCP + "sources: [{ae-title: A, host-ip: 'http://ct1'}]", "3:38", None, "found the URL 'http://ct1'"),
    (
        SCP + "sources: [{ae-title: A, host-ip: '*'}]",
        "3:38",
        None,
        "list 0.0.0.0/0 for any, or set reject-unknown-sources",
    ),
    (SCP + "sources: [{ae-title: A, host-ip: ct 1}]", "3:38", None, "'ct 1' is neither an IP address nor a host name"),
    (SCP + "sources: [{ae-title: A, host-ip: ''}]", "3:38", None, "this is empty; expected at least one character"),
    (
        SCP + "sources: [{ae-title: A, host-ip: }]",
        "3:29",
        None,
        "there is no value here; expected an IP address, network",
    ),
    (SCP + "host: 10.0.0.0/24", "3:11", None, "is neither an IP address nor a host name"),
    (
        AE + "ignored-sop-classes: [CTImageStorag]",
        "4:31",
        "dicom.scp.ae-titles[0].ignored-sop-classes[0]",
        "did you mean 'CTI",
    ),
    (
        AE + "ignored-sop-classes: [ExplicitVRLittleEndian]",
        "4:31",
        None,
        "expected a storage SOP class, as a UID or by its",
    ),
    (AE + "ignored-sop-classes: [1.2.x]", "4:31", None, "a UID is made of numbers joined by dots"),
    (
        AE + "ignored-sop-classes: [1.2]",
        "4:31",
        None,
        "expected an SOP class UID or keyword, found 1.2; put it in quotes",
    ),
    (SCP + "verification: {transfer-syntaxes: [CTImageStorage]}", "3:40", None, "expected a transfer syntax"),
    ("storage: {temporary: ~/spool}", "1:22", "storage.temporary", "write the folder in full"),
    ("storage: {temporary: ''}", "1:22", "storage.temporary", "this is empty"),
    (WORKFLOW + "workflow: ''", "4:15", "workflows[0].workflow", "this is empty; expected at least one character"),
    (WORKFLOW + "workflow: ' a'", "4:15", None, "this starts or ends with a space; remove it"),
    (WORKFLOW + 'workflow: "a\\nb"', "4:15", None, "control character '\\n'"),
    (WORKFLOW + "workflow: 12", "4:15", None, "expected text, found 12; put it in quotes"),
    (SCP + 'host: "\\ud800"', "3:11", "dicom.scp.host", "half of a character"),
    # names that refer to something
    (
        WORKFLOW.replace("ClaraSCP", "ClaraSPC"),
        "3:21",
        "workflows[0].clara-ae-title",
        "no AE title 'ClaraSPC' in dicom.scp.ae-t",
    ),
    (WORKFLOW.replace("ClaraSCP", "ClaraSPC"), "3:21", None, "did you mean 'ClaraSCP'?"),
    (WORKFLOW.replace("ClaraSCP", "ZEBRA"), "3:21", None, "there is only ClaraSCP"),
    (
        WORKFLOW + "destination-name: PACS",
        "4:23",
        "workflows[0].destination-name",
        "dicom.scu.destinations, which is empty",
    ),
    (WORKFLOW + "destination: PACS", "4:18", "workflows[0].destination", "there is no destination 'PACS'"),
    (WORKFLOW + "destination: [PACS]", "4:19", "workflows[0].destination[0]", "there is no destination 'PACS'"),
    (
        WORKFLOW + "engine: foldr",
        "4:13",
        "workflows[0].engine",
        "there is no engine 'foldr' in engines; did you mean 'folder'?",
    ),
    # names that may stand only once
    (
        AE + "ae-title: A\n      - ae-title: 'A '",
        "5:19",
        "dicom.scp.ae-titles[1].ae-title",
        "'A' stands already at app.yaml:4:19",
    ),
    (WORKFLOW + "\n  - {name: one, clara-ae-title: ClaraSCP}", "5:12", "workflows[1].name", "'one' stands already at"),
    # engines
    (
        "engines: {a: {}}",
        "1:11",
        "engines.a.type",
        "this key is missing; write 'type: folder', 'type: process', 'type: ray' or 'type: http'",
    ),
    (
        "engines: {a: {type: cloud}}",
        "1:21",
        "engines.a.type",
        "expected 'folder', 'process', 'ray' or 'http', the engine types of this version",
    ),
    ("engines: {a: {type: proces}}", "1:21", None, "did you mean 'process'?"),
    ("engines: {a: }", "1:11", "engines.a", "there is no value here"),
    ("engines: {'': {type: folder}}", "1:11", "engines.''", "this name is empty"),
    (
        "engines: {a: {type: folder, attempts: 3}}",
        "1:29",
        "engines.a.attempts",
        "only those of the type 'process', 'ray' or 'http' have it",
    ),
    (
        RAY + "runtime-env: {env_vars: {A: b}}}}",
        "1:78",
        "engines.a.runtime-env",
        "write environment variables under environment",
    ),
    (RAY + "runtime-env: [x]}}", "1:78", "engines.a.runtime-env", "expected keys and values, found a list"),
    (RAY + "payloads-on-nodes: mnt/x}}", "1:84", "engines.a.payloads-on-nodes", "a folder that begins with /"),
    (RAY + "gpus: -1}}", "1:71", "engines.a.gpus", "expected a number from 0 to 1000000"),
    (RAY + "labels: {zone: 3}}}", "1:80", "engines.a.labels.zone", "put it in quotes"),
    (RAY + "grace: 3}}", "1:65", "engines.a.grace", "only those of the type 'process' have it"),
    ("engines: {a: {type: http}}", "1:11", "engines.a.url", "this key is missing: address of the platform API"),
    ("engines: {a: {type: http, url: ftp://x/}}", "1:32", "engines.a.url", "begins with https:// or http://"),
    ("engines: {a: {type: http, url: 'https://u:p@x/'}}", "1:32", "engines.a.url", "credentials"),
    (HTTP + "files: folder}}", "1:59", "engines.a.files", "expected 'shared' or 'http', found the text 'folder'"),
    (HTTP + "timeout: 0}}", "1:61", "engines.a.timeout", "expected a number"),
    (HTTP + "payloads-on-platform: x}}", "1:74", "engines.a.payloads-on-platform", "a folder that begins with /"),
    (HTTP + "command: [x]}}", "1:52", "engines.a.command", "only those of the type 'process' or 'ray' have it"),
    (HTTP + "tokn: x}}", "1:52", "engines.a.tokn", "did you mean 'token'"),
    ("engines: {a: {type: process}}", "1:11", "engines.a.command", "this key is missing: program and arguments"),
    (
        "engines: {a: {type: process, command: x}}",
        "1:39",
        "engines.a.command",
        "expected a list (at least one), found the text 'x'",
    ),
    ("engines: {a: {type: process, command: []}}", "1:39", "engines.a.command", "this is empty"),
    ("engines: {a: {type: process, command: [x, 5]}}", "1:43", "engines.a.command[1]", "expected text, found 5"),
    ("engines: {a: {type: process, command: ['{inputs}']}}", "1:40", None, "did you mean {input}?"),
    ("engines: {a: {type: process, command: ['{}']}}", "1:40", None, "known are {input}, {output}, {job}, {workflow}"),
    ("engines: {a: {type: process, command: [x], timeout: 0}}", "1:53", None, "expected a number from 1 to"),
    ("engines: {a: {type: process, command: [x], max-jobs: 0}}", "1:54", None, "expected a whole number from 1 to"),
    (
        "engines: {a: {type: process, command: [x], environment: {A: 1}}}",
        "1:61",
        "engines.a.environment.A",
        "put it in quotes",
    ),
    (
        "engines: {a: {type: process, command: [x], environment: {A=B: c}}}",
        "1:58",
        None,
        "cannot be the name of an env",
    ),
    (
        "engines: {folder: {type: process, command: [x]}}",
        "1:19",
        "engines.folder",
        "belongs to the engine that is always there",
    ),
    # ledger, storage, web
    (
        "ledger: {url: 'postgresql://u:secret@h/d'}",
        "1:15",
        "ledger.url",
        "expected postgresql+psycopg://, which names the driver, too; found a URL of the kind 'postgresql'",
    ),
    ("ledger: {url: 'postgresql+psycopg://u:secret@h'}", "1:15", None, "the name of the database is missing"),
    ("ledger: {url: 'postgresql+psycopg://u:secret@h:many/d'}", "1:15", None, "its host or port cannot be read"),
    ("ledger: {url: 'mysql://h/d'}", "1:15", None, "<user>@<host>/<database>, found a URL of the kind 'mysql'"),
    ("ledger: {url: hilum.db}", "1:15", None, "for a file write sqlite:///hilum.db"),
    ("ledger: {url: 'sqlite://'}", "1:15", None, "the ledger must outlive Hilum"),
    ("ledger: {url: 'sqlite:///:memory:'}", "1:15", None, "the ledger must outlive Hilum"),
    ("storage: {temporary: a, payloads: ./b/../a}", "1:22", "storage.temporary", "overlap; use separate folders"),
    ("storage: {temporary: a, output: a/b}", "1:22", "storage.temporary", "overlap; use separate folders"),
    ("web: {host: 0.0.0.0}", "1:13", "web.host", "set web.token too, or use 127.0.0.1"),
    ("web: {token: 5}", "1:14", "web.token", "expected text, found something else; put it in quotes"),
    # sections in two places
    (
        "dicom: {workflows: []}\nworkflows: []",
        "1:9",
        "dicom.workflows",
        "stands already at the top level, at app.yaml:2:12",
    ),
    ("dicom: {storage: {}}\nstorage: {}", "1:9", "dicom.storage", "keep one of the two"),
    ("dicom: {storage: {reserve-gb: x}}", "1:31", "dicom.storage.reserve-gb", "expected a number from 0 to 1000000"),
]


@pytest.mark.parametrize(("text", "place", "path", "words"), CASES)
def test_a_mistake_is_reported_with_its_place_and_what_to_do(
    refuse: Refuse, text: str, place: str, path: str | None, words: str
) -> None:
    (problem,) = refuse(text)
    assert problem.where == f"app.yaml:{place}"
    assert words in problem.message
    if path is not None:
        assert problem.path == path


@pytest.mark.parametrize("text", [case[0] for case in CASES])
def test_no_message_speaks_of_the_machinery(refuse: Refuse, text: str) -> None:
    (problem,) = refuse(text)
    for jargon in ("pydantic", "Input should", "Value error", "Traceback", "NoneType", "validat", "dict", "secret@"):
        assert jargon not in problem.message


def test_both_names_of_the_destination_must_agree(read: Read, refuse: Refuse) -> None:
    destinations = "dicom: {scu: {destinations: [{name: A, host-ip: a, port: 1, ae-title: A}]}}\n"
    workflow = destinations + WORKFLOW + "destination-name: A\n    destination: "
    assert read(workflow + "A").workflows[0].destinations == ("A",)
    (problem,) = refuse(workflow + "B")
    assert problem.where == "app.yaml:6:18"
    assert "keep one of the two" in problem.message


def test_a_destination_is_named_once_in_a_list(refuse: Refuse) -> None:
    text = "dicom: {scu: {destinations: [{name: A, host-ip: a, port: 1, ae-title: A}]}}\n" + WORKFLOW
    (problem,) = refuse(text + "destination-name: [A, A]")
    assert (problem.where, problem.path) == ("app.yaml:5:27", "workflows[0].destination-name[1]")
    assert "stands twice" in problem.message


def test_duplicate_destinations_are_reported_at_the_second(refuse: Refuse) -> None:
    entry = "{name: A, host-ip: a, port: 1, ae-title: A}"
    (problem,) = refuse(f"dicom:\n  scu:\n    destinations:\n      - {entry}\n      - {entry}")
    assert (problem.where, problem.path) == ("app.yaml:5:16", "dicom.scu.destinations[1].name")


def test_all_problems_are_told_at_once_in_the_order_of_the_file(refuse: Refuse) -> None:
    problems = refuse(
        """\
workflows:
  - name: one
    clara-ae-title: NOBODY
    destination: NOWHERE
    engine: none
dicom:
  scp:
    port: "104"
    prot: 104
    port: 105
    ae-titles:
      - ae-title: TooLongForAnAETitle
        timeout: soon
    sources:
      - ae-title: A
  scu:
    destinations:
      - {name: PACS, host-ip: 10.0.0.300, port: 0, ae-title: PACS}
storage:
  payloads: !!python/name:os.system x
""",
        {"HILUM__WEB__PORT": "many", "HILUM__DICOM__SCU__PORT": "1"},
    )
    assert [(problem.where, problem.path) for problem in problems] == [
        ("app.yaml:3:21", "workflows[0].clara-ae-title"),
        ("app.yaml:4:18", "workflows[0].destination"),
        ("app.yaml:5:13", "workflows[0].engine"),
        ("app.yaml:8:11", "dicom.scp.port"),
        ("app.yaml:9:5", "dicom.scp.prot"),
        ("app.yaml:10:5", "dicom.scp.port"),
        ("app.yaml:12:19", "dicom.scp.ae-titles[0].ae-title"),
        ("app.yaml:13:18", "dicom.scp.ae-titles[0].timeout"),
        ("app.yaml:15:9", "dicom.scp.sources[0].host-ip"),
        ("app.yaml:18:31", "dicom.scu.destinations[0].host-ip"),
        ("app.yaml:18:49", "dicom.scu.destinations[0].port"),
        ("app.yaml:20:13", "storage.payloads"),
        ("HILUM__DICOM__SCU__PORT", "dicom.scu.port"),
        ("HILUM__WEB__PORT", "web.port"),
    ]


def test_a_problem_reads_as_one_line_to_click_on(refuse: Refuse) -> None:
    (problem,) = refuse(SCP + "prot: 104")
    assert str(problem) == "app.yaml:3:5: dicom.scp.prot: unknown key 'prot'; did you mean 'port'?"


def test_a_list_whose_entries_are_all_wrong_is_not_called_empty(refuse: Refuse) -> None:
    (problem,) = refuse(AE + "timeot: 5")
    assert problem.path == "dicom.scp.ae-titles[0].timeot"


def test_a_mistake_in_a_list_of_names_does_not_hide_the_names_that_refer_to_it(refuse: Refuse) -> None:
    problems = refuse(AE + "{ae-title: CT, timeot: 5}\nworkflows: [{name: a, clara-ae-title: CT}]")
    assert [problem.path for problem in problems] == ["dicom.scp.ae-titles[0].timeot"]

from __future__ import annotations

from collections.abc import Callable

import pytest

from hilum.config import Settings, diff, needs_restart

Read = Callable[..., Settings]

BEFORE = """\
dicom:
  scp:
    port: 104
    ae-titles: [{ae-title: CT, timeout: 5}, {ae-title: MR}]
    sources: [{host-ip: a, ae-title: A}]
  scu:
    destinations: [{name: PACS, host-ip: p, port: 1, ae-title: P}]
workflows: [{name: one, clara-ae-title: CT, destination: PACS}]
storage: {payloads: jobs}
engines: {local: {type: process, command: [x], environment: {A: b}}}
"""

# what is replaced by what, the paths that differ, those of them that wait for a restart
CASES = [
    ("#", "# nothing", [], []),
    ("port: 104", "port: 105", ["dicom.scp.port"], ["dicom.scp.port"]),
    ("port: 104", "host: '::'", ["dicom.scp.host"], ["dicom.scp.host"]),
    ("payloads: jobs", "payloads: work", ["storage.payloads"], ["storage.payloads"]),
    (
        "payloads: jobs",
        "payloads: jobs, temporary: t, output: o",
        ["storage.temporary", "storage.output"],
        ["storage.temporary", "storage.output"],
    ),
    ("payloads: jobs", "payloads: jobs, reserve-gb: 9", ["storage.reserve-gb"], []),
    ("timeout: 5", "timeout: 6", ["dicom.scp.ae-titles[CT].timeout"], []),
    ("{ae-title: MR}", "{ae-title: US}", ["dicom.scp.ae-titles[MR]", "dicom.scp.ae-titles[US]"], []),
    ("[{ae-title: CT, timeout: 5}, {ae-title: MR}]", "[{ae-title: MR}, {ae-title: CT, timeout: 5}]", [], []),
    ("host-ip: a", "host-ip: b", ["dicom.scp.sources"], []),
    ("host-ip: p", "host-ip: q", ["dicom.scu.destinations[PACS].host-ip"], []),
    (", destination: PACS", "", ["workflows[one].destination-name"], []),
    ("name: one", "name: two", ["workflows[one]", "workflows[two]"], []),
    ("command: [x]", "command: [y]", ["engines[local].command"], []),
    ("A: b", "A: c", ["engines[local].environment[A]"], []),
    ("local:", "other:", ["engines[local]", "engines[other]"], []),
    ("type: process, command: [x], environment: {A: b}", "type: folder", ["engines[local]"], []),
    ("storage:", "ledger: {url: 'sqlite:///x.db'}\nstorage:", ["ledger.url"], ["ledger.url"]),
    ("storage:", "web: {port: 1}\nstorage:", ["web.port"], ["web.port"]),
    (
        "scu:",
        "scu:\n    max-associations: 3\n    retry: {waits: [1]}",
        ["dicom.scu.max-associations", "dicom.scu.retry.waits"],
        [],
    ),
    (
        "port: 104",
        "timeouts: {idle: 1}\n    limits: {object-gb: 1}",
        ["dicom.scp.timeouts.idle", "dicom.scp.limits.object-gb"],
        [],
    ),
]


@pytest.mark.parametrize(("old", "new", "changed", "waiting"), CASES)
def test_what_changed_is_named_and_what_waits_for_a_restart(
    read: Read, old: str, new: str, changed: list[str], waiting: list[str]
) -> None:
    before, after = read(BEFORE), read(BEFORE.replace(old, new))
    assert diff(before, after) == changed
    assert needs_restart(before, after) == waiting


def test_the_last_entry_of_a_list_can_go(read: Read) -> None:
    before = read("workflows: [{name: one, clara-ae-title: ClaraSCP}]")
    assert diff(before, read("{}")) == ["workflows[one]"]
    assert diff(read("{}"), before) == ["workflows[one]"]
